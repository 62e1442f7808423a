//! State of a VM as host calls see it: its contexts, which one is current, and the actions put off
//! until the guest returns.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use wasmtime::{Memory, TypedFunc};

use crate::abi::{Direction, Status};
use crate::callout::CallReply;
use crate::event::{Event, Role, Thread, What};
use crate::half::Half;
use crate::local_reply::LocalReply;
use crate::metrics::MetricIds;
use crate::process::SharedProcess;

/// A plugin's configuration; two generations differ in it.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) vm_id: String,
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allow_on_headers_stop_iteration: bool,
    pub(crate) route_name: String,
    pub(crate) cluster_name: String,
    pub(crate) node_id: String,
    /// Counts configurations, from zero.
    pub(crate) generation: u64,
}

/// An action that a host call asked for and that runs after the guest has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(u32, Direction),
    LocalReply(u32, LocalReply),
    Close(u32),
    RootDone(u32),
}

#[derive(Debug)]
pub(crate) struct RootState {
    pub(crate) plugin: Rc<Plugin>,
    pub(crate) tick_period: Duration,
    pub(crate) timer: u64,
    pub(crate) calls: Vec<u32>,
    /// The answer being announced.
    pub(crate) reply: Option<CallReply>,
    pub(crate) live_streams: usize,
    /// No new stream comes here.
    pub(crate) retired: bool,
    /// The guest said in `on_done` that it is not done yet.
    pub(crate) done_pending: bool,
}

#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) root: u32,
    pub(crate) request: Half,
    pub(crate) response: Half,
    pub(crate) connection_id: u64,
    pub(crate) started_at: Duration,
    pub(crate) code: Option<u16>,
    pub(crate) flags: u64,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// A decode callback of this stream is on the stack, so a local reply waits until it has returned.
    pub(crate) in_decode: bool,
    pub(crate) prepared: Option<LocalReply>,
    /// A local reply was sent; the request goes no further.
    pub(crate) aborted: bool,
    pub(crate) local_reply: Option<LocalReply>,
    /// The VM was dead when this stream needed it.
    pub(crate) failed: bool,
    pub(crate) in_log: bool,
    /// The stream is over, for the client too.
    pub(crate) ended: bool,
    /// The filter is passed by (`FAIL_OPEN` with a dead VM).
    pub(crate) bypass: bool,
    pub(crate) idle_timeout: Duration,
    pub(crate) activity: u64,
}

#[derive(Debug)]
pub(crate) enum Context {
    Root(RootState),
    Stream(Box<StreamState>),
}

/// The data of a VM's store.
pub(crate) struct VmState {
    pub(crate) process: SharedProcess,
    pub(crate) number: usize,
    pub(crate) thread: Thread,
    pub(crate) role: Role,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) contexts: BTreeMap<u32, Context>,
    /// Streams that are over and gone for the guest; kept for the test's questions.
    pub(crate) past: BTreeMap<u32, Box<StreamState>>,
    pub(crate) next_context: u32,
    pub(crate) current: u32,
    /// Zero: the current one.
    pub(crate) effective: u32,
    pub(crate) deferred: VecDeque<Deferred>,
    /// A host call asked that the callback's return value be ignored.
    pub(crate) stop_next: bool,
    pub(crate) metric_ids: MetricIds,
    pub(crate) next_call: u32,
    /// The configuration that may be read now.
    pub(crate) configuring: Option<Rc<Plugin>>,
    pub(crate) plugin: Rc<Plugin>,
    pub(crate) depth: usize,
    pub(crate) failed: Option<String>,
}

// === impl VmState ===

impl VmState {
    pub(crate) fn new(process: SharedProcess, number: usize, thread: Thread, role: Role, plugin: Rc<Plugin>) -> Self {
        Self {
            process,
            number,
            thread,
            role,
            memory: None,
            allocate: None,
            contexts: BTreeMap::new(),
            past: BTreeMap::new(),
            next_context: 1,
            current: 0,
            effective: 0,
            deferred: VecDeque::new(),
            stop_next: false,
            metric_ids: MetricIds::default(),
            next_call: 4,
            configuring: None,
            plugin,
            depth: 0,
            failed: None,
        }
    }

    /// A stream, for the guest there or not.
    pub(crate) fn stream_or_past(&mut self, context: u32) -> &mut StreamState {
        match self.contexts.get_mut(&context) {
            Some(Context::Stream(stream)) => stream,
            _ => self.past.get_mut(&context).expect("a stream's handle names a stream"),
        }
    }

    /// The context that host calls act on: the effective one while it exists, else the true one.
    pub(crate) fn acting(&self) -> u32 {
        if self.effective != 0 && self.contexts.contains_key(&self.effective) { self.effective } else { self.current }
    }

    /// The root context of a context (itself, if it is one).
    pub(crate) fn root_of(&self, context: u32) -> Option<u32> {
        match self.contexts.get(&context)? {
            Context::Root(_) => Some(context),
            Context::Stream(stream) => Some(stream.root),
        }
    }

    pub(crate) fn root(&mut self, context: u32) -> Option<&mut RootState> {
        match self.contexts.get_mut(&context)? {
            Context::Root(root) => Some(root),
            Context::Stream(_) => None,
        }
    }

    pub(crate) fn stream(&mut self, context: u32) -> Option<&mut StreamState> {
        match self.contexts.get_mut(&context)? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
    }

    /// The stream that host calls act on.
    pub(crate) fn acting_stream(&mut self) -> Option<&mut StreamState> {
        self.stream(self.acting())
    }

    /// The root of the context that host calls act on.
    pub(crate) fn acting_root(&mut self) -> Option<&mut RootState> {
        let root = self.root_of(self.acting())?;
        self.root(root)
    }

    pub(crate) fn allocate_context(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        self.contexts.insert(id, context);
        id
    }

    /// Counts a call of this host function; returns the status with which a test has it refused.
    pub(crate) fn called(&self, function: &'static str) -> Option<Status> {
        let mut process = self.process.borrow_mut();
        *process.host_calls.entry(function).or_default() += 1;
        process.refused.get(function).copied()
    }

    /// Writes to the event log.
    pub(crate) fn record(&self, context: u32, what: What) {
        let mut process = self.process.borrow_mut();
        let at = process.now;
        process.events.push(Event { at, thread: self.thread, role: self.role, vm: self.number, context, what });
    }
}

// === impl StreamState ===

impl StreamState {
    pub(crate) fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
