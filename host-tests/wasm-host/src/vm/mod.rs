//! One VM instance: entering the guest, and what happens when it returns or traps.

mod flow;
mod lifecycle;
mod reply;
mod state;

use std::collections::HashMap;

use wasmtime::{Func, Store, Val};

use crate::event::What;
pub(crate) use lifecycle::Connection;
pub(crate) use state::{Context, Deferred, Plugin, RootState, StreamState, VmState};

/// An instance of the module with its contexts.
pub(crate) struct Vm {
    store: Store<VmState>,
    exports: HashMap<&'static str, Func>,
    depth_limit: usize,
    /// Contexts whose `on_delete` has run; they leave when the event loop's turn ends, as Envoy's deferred deletion has it.
    deleted: Vec<u32>,
}

/// Value that a callback returned.
#[derive(Clone, Copy, Debug)]
struct Returned {
    value: u32,
    /// The value counts for nothing: the guest sent a local reply or closed the stream.
    stopped: bool,
}

/// The exports that the host may call.
const EXPORTS: [&str; 20] = [
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_queue_ready",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_done",
    "proxy_on_delete",
    "proxy_on_memory_allocate",
    "malloc",
    "_initialize",
    "_start",
    "main",
];

// === impl Vm ===

impl Vm {
    /// Makes an instance and initialises the module.
    pub(crate) fn new(program: &crate::Program, state: VmState, depth_limit: usize) -> Result<Self, wasmtime::Error> {
        let mut store = Store::new(program.pre.module().engine(), state);
        // Refused where nothing is counted.
        let _ = store.set_fuel(u64::MAX);
        let instance = program.pre.instantiate(&mut store)?;
        let memory = instance.get_memory(&mut store, "memory");
        let exports: HashMap<_, _> =
            EXPORTS.into_iter().filter_map(|name| Some((name, instance.get_func(&mut store, name)?))).collect();
        let allocate = match exports.get("proxy_on_memory_allocate").or(exports.get("malloc")) {
            Some(function) => Some(function.typed(&store)?),
            None => None,
        };
        store.data_mut().memory = memory;
        store.data_mut().allocate = allocate;
        let mut vm = Self { store, exports, depth_limit, deleted: Vec::new() };
        // A reactor has `_initialize`, a command `_start`.
        let first = if vm.exports.contains_key("_initialize") { "_initialize" } else { "_start" };
        vm.enter(0, first, &[]);
        Ok(vm)
    }

    pub(crate) fn state(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    /// Returns the reason that the VM is dead, if it is.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.store.data().failed.as_deref()
    }

    /// Kills the VM as a trap would. What was put off still runs: it was asked for before.
    pub(crate) fn fail(&mut self, context: u32, why: String) {
        let state = self.store.data_mut();
        if state.failed.is_none() {
            state.record(context, What::Trapped(why.clone()));
            state.failed = Some(why);
        }
    }

    /// Calls an export with `context` as the true context, then runs what was put off. None if the VM is dead, dies in
    /// this very call, or lacks the export.
    fn enter(&mut self, context: u32, export: &'static str, arguments: &[u32]) -> Option<Returned> {
        if self.failure().is_some() {
            return None;
        }
        let function = *self.exports.get(export)?;
        let returned = self.call(context, export, function, arguments);
        // Only a trap in the guest's own call makes this callback a failed one; one in what follows does not.
        while let Some(action) = self.store.data_mut().deferred.pop_front() {
            self.run(action);
        }
        self.store.data_mut().depth -= 1;
        returned
    }

    fn call(&mut self, context: u32, export: &'static str, function: Func, arguments: &[u32]) -> Option<Returned> {
        let limit = self.depth_limit;
        let state = self.store.data_mut();
        state.depth += 1;
        if state.depth > limit {
            let why = format!("stack overflow: {limit} callbacks nested in one another");
            self.fail(context, why);
            return None;
        }
        if context != 0 {
            state.record(context, What::Callback(export));
        }
        let saved = (state.current, state.effective);
        (state.current, state.effective) = (context, 0);
        let arguments: Vec<Val> = arguments.iter().map(|&argument| Val::I32(argument.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let before = self.store.get_fuel().ok();
        let outcome = function.call(&mut self.store, &arguments, &mut results);
        let taken = before.zip(self.store.get_fuel().ok()).map(|(before, after)| before.saturating_sub(after));
        let state = self.store.data_mut();
        if let Some(taken) = taken {
            state.process.borrow_mut().note_instructions(export, taken);
        }
        (state.current, state.effective) = saved;
        let stopped = std::mem::take(&mut state.stop_next);
        if let Err(error) = outcome {
            self.fail(context, format!("{export}: {error:?}"));
            return None;
        }
        let value = results.first().and_then(Val::i32).map_or(0, i32::cast_unsigned);
        Some(Returned { value, stopped })
    }

    fn run(&mut self, action: Deferred) {
        match action {
            Deferred::Continue(context, direction) => self.continue_iteration(context, direction),
            Deferred::LocalReply(context, reply) => self.send_local_reply(context, reply),
            Deferred::Close(context) => self.end_stream(context),
            Deferred::RootDone(context) => self.delete_root(context),
        }
    }

    /// Forgets the contexts that were deleted in this turn of the event loop.
    pub(crate) fn end_turn(&mut self) {
        for context in std::mem::take(&mut self.deleted) {
            let state = self.store.data_mut();
            if let Some(Context::Stream(stream)) = state.contexts.remove(&context) {
                state.past.insert(context, stream);
            }
        }
    }
}
