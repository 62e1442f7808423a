//! Functions that the guest may call: the proxy's (`env`) and the few of WASI that a proxy offers.

/// Defines functions of the proxy, each by its [`Outcome`]. A call counts, and is refused where a test asked for that.
macro_rules! functions {
    ($(fn $function:ident($guest:ident $(, $argument:ident: $kind:ty)*) $body:block)*) => {
        pub(super) fn define(
            linker: &mut wasmtime::Linker<crate::vm::VmState>,
        ) -> Result<(), wasmtime::Error> {
            $(linker.func_wrap("env", stringify!($function), |mut guest: Guest<'_> $(, $argument: $kind)*| {
                if let Some(refused) = guest.data().called(stringify!($function)) {
                    return Ok(refused as i32);
                }
                let call = |$guest: &mut Guest<'_>| -> Outcome { $body };
                super::status(call(&mut guest))
            })?;)*
            Ok(())
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
