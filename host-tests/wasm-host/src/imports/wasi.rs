//! The part of WASI preview 1 that a proxy offers.

use wasmtime::Linker;

use super::exchange::nanoseconds;
use super::memory::{read, write, write_u32};
use super::{Guest, Outcome, Refusal};
use crate::LogLevel;
use crate::vm::VmState;

const MODULE: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;
const BAD_DESCRIPTOR: i32 = 8;
const FAULT: i32 = 21;
const NOT_SUPPORTED: i32 = 58;

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<(), wasmtime::Error> {
    linker.func_wrap(MODULE, "clock_time_get", |mut guest: Guest<'_>, clock: u32, _precision: u64, out: u32| {
        guest.data().called("clock_time_get");
        let process = guest.data().process.clone();
        let time = match clock {
            0 => process.borrow().wall_clock(),
            1 => process.borrow().now,
            _ => return Ok(NOT_SUPPORTED),
        };
        errno(write(&mut guest, out, &nanoseconds(time).to_le_bytes()))
    })?;
    linker.func_wrap(MODULE, "random_get", |mut guest: Guest<'_>, data: u32, size: u32| {
        guest.data().called("random_get");
        // Envoy refuses more than 64 KiB at once.
        if size > 65_536 {
            return Ok(28);
        }
        let mut bytes = vec![0; size as usize];
        let state = guest.data();
        (state.process.borrow_mut().draws)(state.thread, &mut bytes);
        errno(write(&mut guest, data, &bytes))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut guest: Guest<'_>, descriptor: i32, vectors: u32, count: u32, out: u32| {
            guest.data().called("fd_write");
            let level = match descriptor {
                1 => LogLevel::Info,
                2 => LogLevel::Error,
                _ => return Ok(BAD_DESCRIPTOR),
            };
            errno(fd_write(&mut guest, level, vectors, count, out))
        },
    )?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut guest: Guest<'_>, count: u32, size: u32| {
        guest.data().called("environ_sizes_get");
        let plugin = guest.data().plugin.clone();
        let bytes: usize = plugin.environment.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        errno(
            write_u32(&mut guest, count, number(plugin.environment.len()))
                .and_then(|()| write_u32(&mut guest, size, number(bytes))),
        )
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut guest: Guest<'_>, pointers: u32, data: u32| {
        guest.data().called("environ_get");
        errno(environ_get(&mut guest, pointers, data))
    })?;
    linker.func_wrap(MODULE, "args_sizes_get", |mut guest: Guest<'_>, count: u32, size: u32| {
        guest.data().called("args_sizes_get");
        errno(write_u32(&mut guest, count, 0).and_then(|()| write_u32(&mut guest, size, 0)))
    })?;
    linker.func_wrap(MODULE, "args_get", |guest: Guest<'_>, _: u32, _: u32| {
        guest.data().called("args_get");
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "proc_exit", |guest: Guest<'_>, code: i32| -> Result<(), wasmtime::Error> {
        guest.data().called("proc_exit");
        Err(wasmtime::Error::msg(format!("proc_exit({code})")))
    })?;
    linker.func_wrap(MODULE, "fd_close", |guest: Guest<'_>, _: i32| {
        guest.data().called("fd_close");
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |guest: Guest<'_>, _: i32, _: u32| {
        guest.data().called("fd_fdstat_get");
        BAD_DESCRIPTOR
    })?;
    linker.func_wrap(MODULE, "fd_seek", |guest: Guest<'_>, _: i32, _: i64, _: i32, _: u32| {
        guest.data().called("fd_seek");
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "fd_prestat_get", |guest: Guest<'_>, _: i32, _: u32| {
        guest.data().called("fd_prestat_get");
        BAD_DESCRIPTOR
    })?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |guest: Guest<'_>, _: i32, _: u32, _: u32| {
        guest.data().called("fd_prestat_dir_name");
        BAD_DESCRIPTOR
    })?;
    linker.func_wrap(MODULE, "sched_yield", |guest: Guest<'_>| {
        guest.data().called("sched_yield");
        SUCCESS
    })?;
    Ok(())
}

fn errno(outcome: Outcome) -> Result<i32, wasmtime::Error> {
    match outcome {
        Ok(()) => Ok(SUCCESS),
        Err(Refusal::Status(_)) => Ok(FAULT),
        Err(Refusal::Trap(error)) => Err(error),
    }
}

/// Logs what the guest prints, one line per write.
fn fd_write(guest: &mut Guest<'_>, level: LogLevel, vectors: u32, count: u32, out: u32) -> Outcome {
    let mut text = Vec::new();
    for vector in read(guest, vectors, count.saturating_mul(8))?.chunks_exact(8) {
        let (data, size) = vector.split_at(4);
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        text.extend(read(guest, word(data), word(size))?);
    }
    let written = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if written > 0 {
        let text = String::from_utf8_lossy(text.strip_suffix(b"\n").unwrap_or(&text)).into_owned();
        guest.data_mut().log(level, text);
    }
    write_u32(guest, out, written)
}

fn environ_get(guest: &mut Guest<'_>, mut pointers: u32, mut data: u32) -> Outcome {
    let plugin = guest.data().plugin.clone();
    for (key, value) in &plugin.environment {
        let entry = format!("{key}={value}\0");
        write_u32(guest, pointers, data)?;
        write(guest, data, entry.as_bytes())?;
        pointers += 4;
        data += u32::try_from(entry.len()).unwrap_or(u32::MAX);
    }
    Ok(())
}
