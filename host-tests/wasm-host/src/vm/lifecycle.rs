//! Contexts: roots come with a configuration and go after their last stream; streams come with a request.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{Context, Plugin, RootState, StreamState, Vm, VmState};
use crate::agenda::Task;
use crate::callout::CallReply;
use crate::half::Half;

/// Connection of a new stream.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) idle_timeout: Duration,
    /// The filter is to be passed by.
    pub(crate) bypass: bool,
}

// === impl Vm ===

impl Vm {
    /// Makes a root context and configures it. None if the guest refuses or dies.
    pub(crate) fn start_root(&mut self, plugin: &Rc<Plugin>) -> Option<u32> {
        let root = RootState {
            plugin: Rc::clone(plugin),
            tick_period: Duration::ZERO,
            timer: 0,
            calls: Vec::new(),
            reply: None,
            live_streams: 0,
            retired: false,
            done_pending: false,
        };
        let id = self.state().allocate_context(Context::Root(root));
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.enter(id, "proxy_on_context_create", &[id, 0]);
        if !self.agrees(id, "proxy_on_vm_start", size(&plugin.vm_configuration)) {
            return None;
        }
        self.state().configuring = Some(Rc::clone(plugin));
        let configured = self.agrees(id, "proxy_on_configure", size(&plugin.configuration));
        self.state().configuring = None;
        configured.then_some(id)
    }

    /// Returns `true` if the guest returns true, or has no such export and lives.
    fn agrees(&mut self, context: u32, export: &'static str, size: u32) -> bool {
        match self.enter(context, export, &[context, size]) {
            Some(returned) => returned.value != 0,
            None => self.failure().is_none(),
        }
    }

    /// A request comes in. On a dead VM the stream exists without the guest.
    pub(crate) fn new_stream(&mut self, root: u32, connection: &Connection) -> u32 {
        let started_at = self.state().process.borrow().now;
        let stream = StreamState {
            root,
            request: Half::default(),
            response: Half::default(),
            connection_id: connection.id,
            started_at,
            code: None,
            flags: 0,
            properties: BTreeMap::new(),
            in_decode: false,
            prepared: None,
            aborted: false,
            local_reply: None,
            failed: false,
            in_log: false,
            ended: false,
            bypass: connection.bypass,
            idle_timeout: connection.idle_timeout,
            activity: 0,
        };
        let id = self.state().allocate_context(Context::Stream(Box::new(stream)));
        if let Some(root) = self.state().root(root) {
            root.live_streams += 1;
        }
        self.enter(id, "proxy_on_context_create", &[id, root]);
        id
    }

    pub(super) fn stream_left(&mut self, root: u32) {
        let Some(state) = self.state().root(root) else { return };
        state.live_streams -= 1;
        if state.retired && state.live_streams == 0 {
            self.finish_root(root);
        }
    }

    /// No more streams come to this root; once the last is gone, so is the root.
    pub(crate) fn retire_root(&mut self, root: u32) {
        let Some(state) = self.state().root(root) else { return };
        state.retired = true;
        if state.live_streams == 0 {
            self.finish_root(root);
        }
    }

    /// Streams of a root that are still there.
    pub(crate) fn streams_of(&mut self, root: u32) -> Vec<u32> {
        let live = |(id, context): (&u32, &Context)| match context {
            Context::Stream(stream) if stream.root == root && !stream.ended => Some(*id),
            _ => None,
        };
        self.state().contexts.iter().filter_map(live).collect()
    }

    fn finish_root(&mut self, root: u32) {
        if self.agrees_to_be_done(root) {
            self.delete_root(root);
        } else if let Some(state) = self.state().root(root) {
            state.done_pending = true;
        }
    }

    fn agrees_to_be_done(&mut self, root: u32) -> bool {
        self.enter(root, "proxy_on_done", &[root]).is_none_or(|returned| returned.value != 0)
    }

    pub(super) fn delete_root(&mut self, root: u32) {
        self.enter(root, "proxy_on_delete", &[root]);
        self.deleted.push(root);
    }

    /// The timer of a root fires; it is armed again after the guest has returned.
    pub(crate) fn tick(&mut self, root: u32, timer: u64) {
        if self.failure().is_some() || self.state().root(root).is_none_or(|root| root.timer != timer) {
            return;
        }
        self.enter(root, "proxy_on_tick", &[root]);
        let state = self.state();
        if state.failed.is_none() && !state.root(root).is_none_or(|root| root.tick_period.is_zero()) {
            state.arm_tick(root);
        }
    }

    /// A message is in a queue that this context consumes.
    pub(crate) fn queue_ready(&mut self, context: u32, queue: u32) {
        if self.state().contexts.contains_key(&context) {
            self.enter(context, "proxy_on_queue_ready", &[context, queue]);
        }
    }

    /// A callout is answered, or reset. Nothing happens where the root is gone.
    pub(crate) fn call_done(&mut self, root: u32, token: u32, reply: Option<CallReply>) {
        let Some(state) = self.state().root(root) else { return };
        let Some(index) = state.calls.iter().position(|call| *call == token) else { return };
        state.calls.remove(index);
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let counts = reply.as_ref().map_or([0; 3], |reply| {
            [number(reply.headers.len()), number(reply.body.len()), number(reply.trailers.len())]
        });
        state.reply = reply;
        let arguments = [root, token, counts[0], counts[1], counts[2]];
        self.enter(root, "proxy_on_http_call_response", &arguments);
        if let Some(state) = self.state().root(root) {
            state.reply = None;
        }
    }
}

// === impl VmState ===

impl VmState {
    /// The configuration of a context's root.
    pub(crate) fn plugin_of(&mut self, context: u32) -> Option<Rc<Plugin>> {
        let root = self.root_of(context)?;
        Some(Rc::clone(&self.root(root)?.plugin))
    }

    /// Starts a root's timer anew; any earlier one is void.
    pub(crate) fn arm_tick(&mut self, root: u32) {
        let (vm, thread) = (self.number, self.thread);
        let timer = self.process.borrow_mut().next_timer();
        let Some(state) = self.root(root) else { return };
        state.timer = timer;
        let period = state.tick_period;
        if !period.is_zero() {
            let mut process = self.process.borrow_mut();
            let delay = period + process.timing.tick_lag;
            process.after(delay, thread, Task::Tick { vm, root, timer });
        }
    }
}
