//! Functions that the guest may call: the proxy's (`env`) and the few of WASI that a proxy offers.

/// Counts a call of a host function, and refuses it where a test had that asked for.
macro_rules! called {
    ($guest:ident, $function:literal) => {
        if let Some(refused) = $guest.data().called($function) {
            return Ok(refused as i32);
        }
    };
}

mod exchange;
mod maps;
mod memory;
mod properties;
mod shared;
mod streams;
mod wasi;

use wasmtime::{Caller, ExternType, Linker, Module};

use crate::abi::Status;
use crate::vm::VmState;

/// The guest that called.
type Guest<'a> = Caller<'a, VmState>;

/// Reason that a host call does not succeed: a status for the guest, or a trap.
enum Refusal {
    Status(Status),
    Trap(wasmtime::Error),
}

type Outcome = Result<(), Refusal>;

/// Defines all functions. The gRPC ones can be imported, for the SDK links them in, but not called.
pub(crate) fn define(linker: &mut Linker<VmState>, module: &Module) -> Result<(), wasmtime::Error> {
    for import in module.imports().filter(|import| import.name().starts_with("proxy_grpc_")) {
        if let ExternType::Func(signature) = import.ty() {
            let name = import.name().to_owned();
            linker.func_new(import.module(), import.name(), signature, move |_, _, _| {
                Err(wasmtime::Error::msg(format!("{name} is not offered by this host")))
            })?;
        }
    }
    exchange::define(linker)?;
    maps::define(linker)?;
    properties::define(linker)?;
    shared::define(linker)?;
    streams::define(linker)?;
    wasi::define(linker)
}

/// Returns the value that goes back to the guest.
fn status(outcome: Outcome) -> Result<i32, wasmtime::Error> {
    match outcome {
        Ok(()) => Ok(Status::Ok as i32),
        Err(Refusal::Status(status)) => Ok(status as i32),
        Err(Refusal::Trap(error)) => Err(error),
    }
}

// === impl Refusal ===

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

// === impl Status ===

impl Status {
    /// `Ok` as success, all else as refusal.
    fn outcome(self) -> Outcome {
        if self == Self::Ok { Ok(()) } else { Err(Refusal::Status(self)) }
    }
}
