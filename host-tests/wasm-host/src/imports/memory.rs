//! Reading and writing the guest's memory.

use wasmtime::Memory;

use super::{Guest, Outcome, Refusal};
use crate::Headers;
use crate::abi::Status;

fn memory(guest: &Guest<'_>) -> Result<Memory, Refusal> {
    guest.data().memory.ok_or(Refusal::Status(Status::InvalidMemoryAccess))
}

/// Copies a range out.
pub(super) fn read(guest: &Guest<'_>, address: u32, size: u32) -> Result<Vec<u8>, Refusal> {
    let range = address as usize..address as usize + size as usize;
    let bytes = memory(guest)?.data(guest).get(range).ok_or(Status::InvalidMemoryAccess)?;
    Ok(bytes.to_vec())
}

/// Copies a text out; what is not UTF-8 is replaced.
pub(super) fn read_text(guest: &Guest<'_>, address: u32, size: u32) -> Result<String, Refusal> {
    Ok(String::from_utf8_lossy(&read(guest, address, size)?).into_owned())
}

/// Copies a serialised header map out.
pub(super) fn read_headers(guest: &Guest<'_>, address: u32, size: u32) -> Result<Headers, Refusal> {
    Ok(Headers::from_abi(&read(guest, address, size)?))
}

/// Copies bytes in.
pub(super) fn write(guest: &mut Guest<'_>, address: u32, bytes: &[u8]) -> Outcome {
    let range = address as usize..address as usize + bytes.len();
    let memory = memory(guest)?;
    let target = memory.data_mut(guest).get_mut(range).ok_or(Status::InvalidMemoryAccess)?;
    target.copy_from_slice(bytes);
    Ok(())
}

pub(super) fn write_u32(guest: &mut Guest<'_>, address: u32, value: u32) -> Outcome {
    write(guest, address, &value.to_le_bytes())
}

/// Gives bytes to the guest in memory that it allocates itself; nothing is allocated for nothing.
pub(super) fn give(guest: &mut Guest<'_>, bytes: &[u8], address_out: u32, size_out: u32) -> Outcome {
    let size = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    let address = if size == 0 {
        0
    } else {
        let allocate = guest.data().allocate.clone().ok_or(Status::InvalidMemoryAccess)?;
        let address = allocate.call(&mut *guest, size)?;
        write(guest, address, bytes)?;
        address
    };
    write_u32(guest, address_out, address)?;
    write_u32(guest, size_out, size)
}
