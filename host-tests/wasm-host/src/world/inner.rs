//! The proxy behind a world's handles: threads, their VMs, and what is done when something is due.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::abi::Direction;
use crate::agenda::{StreamKey, Task};
use crate::builder::{FailurePolicy, Options, Rejected};
use crate::event::{Role, Thread, What};
use crate::process::{Process, SharedProcess};
use crate::upstream::UpstreamEvent;
use crate::vm::{Connection, Plugin, Vm, VmState};
use crate::{LogLevel, Program};

use super::Retire;

/// A thread's current VM and root.
struct Local {
    thread: Thread,
    vm: usize,
    root: u32,
    loaded_at: Duration,
    stalled_until: Duration,
}

pub(crate) struct Inner {
    program: Program,
    options: Options,
    plugin: Rc<Plugin>,
    pub(crate) process: SharedProcess,
    pub(crate) vms: Vec<Vm>,
    /// The main thread's first, then the workers'.
    locals: Vec<Local>,
    /// Roots of earlier configurations whose listener drains: generation, VM, root.
    draining: Vec<(u64, usize, u32)>,
    connections: u64,
}

// === impl Inner ===

impl Inner {
    pub(crate) fn start(program: Program, process: Process, options: Options) -> Result<Self, Rejected> {
        let plugin = Rc::new(plugin(&options, options.configuration.clone(), 0));
        let process = Rc::new(RefCell::new(process));
        let mut inner = Self {
            program,
            options,
            plugin,
            process,
            vms: Vec::new(),
            locals: Vec::new(),
            draining: Vec::new(),
            connections: 0,
        };
        inner.new_vm(Thread::Main, Role::Base).map_err(|reason| inner.rejected(&reason))?;
        let plugin = Rc::clone(&inner.plugin);
        inner.try_on_canary(&plugin)?;
        let workers = (0..inner.options.workers).map(Thread::Worker);
        for thread in std::iter::once(Thread::Main).chain(workers) {
            let (vm, root) = inner.load(thread).map_err(|reason| inner.rejected(&reason))?;
            let loaded_at = inner.now();
            inner.locals.push(Local { thread, vm, root, loaded_at, stalled_until: Duration::ZERO });
        }
        Ok(inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.process.borrow().now
    }

    /// Makes an instance on a thread.
    fn new_vm(&mut self, thread: Thread, role: Role) -> Result<usize, String> {
        let number = self.vms.len();
        let state = VmState::new(Rc::clone(&self.process), number, thread, role, Rc::clone(&self.plugin));
        let limit = self.process.borrow().timing.depth_limit;
        let vm = Vm::new(&self.program, state, limit).map_err(|error| format!("{error:?}"))?;
        let failure = vm.failure().map(str::to_owned);
        self.vms.push(vm);
        failure.map_or(Ok(number), Err)
    }

    /// Makes a thread's VM with a root of the current configuration.
    fn load(&mut self, thread: Thread) -> Result<(usize, u32), String> {
        let vm = self.new_vm(thread, Role::Local)?;
        let plugin = Rc::clone(&self.plugin);
        let root = self.vms[vm].start_root(&plugin);
        root.map(|root| (vm, root)).ok_or_else(|| "the configuration was refused".to_owned())
    }

    /// Tries a configuration in a VM of its own, which then goes without a word.
    fn try_on_canary(&mut self, plugin: &Rc<Plugin>) -> Result<(), Rejected> {
        let outcome = self.new_vm(Thread::Main, Role::Canary).and_then(|vm| {
            let accepted = self.vms[vm].start_root(plugin).is_some();
            self.vms[vm].state().failed = Some("the canary is gone".to_owned());
            if accepted { Ok(()) } else { Err("the configuration was refused".to_owned()) }
        });
        outcome.map_err(|reason| self.rejected(&reason))
    }

    fn rejected(&self, reason: &str) -> Rejected {
        let mut text = reason.to_owned();
        for event in &self.process.borrow().events {
            match &event.what {
                What::Log(level, line) if *level >= LogLevel::Warn => text.push_str(&format!("\n  {line}")),
                What::Trapped(why) => text.push_str(&format!("\n  trapped: {why}")),
                _ => {}
            }
        }
        Rejected { reason: text }
    }

    /// Takes a new configuration, beside the old one while that drains.
    pub(crate) fn update(&mut self, configuration: Vec<u8>, retire: Retire) -> Result<(), Rejected> {
        if configuration == self.plugin.configuration {
            return Ok(());
        }
        let old = self.plugin.generation;
        let new = Rc::new(plugin(&self.options, configuration, old + 1));
        self.try_on_canary(&new)?;
        self.plugin = Rc::clone(&new);
        for index in 0..self.locals.len() {
            let (vm, old_root) = (self.locals[index].vm, self.locals[index].root);
            if self.vms[vm].failure().is_some() {
                continue;
            }
            if let Some(root) = self.vms[vm].start_root(&new) {
                self.locals[index].root = root;
            }
            self.vms[vm].end_turn();
            self.draining.push((old, vm, old_root));
        }
        match retire {
            Retire::AfterLastStream => self.retire(old, false),
            Retire::After(time) => {
                self.process.borrow_mut().after(time, Thread::Main, Task::DrainEnd { generation: old });
            }
        }
        Ok(())
    }

    fn retire(&mut self, generation: u64, cut_streams: bool) {
        let (ending, rest) = std::mem::take(&mut self.draining).into_iter().partition(|(of, _, _)| *of == generation);
        self.draining = rest;
        let ending: Vec<(u64, usize, u32)> = ending;
        for (_, number, root) in ending {
            let vm = &mut self.vms[number];
            let streams = if cut_streams { vm.streams_of(root) } else { Vec::new() };
            for stream in streams {
                vm.reset_by_client(stream);
            }
            vm.retire_root(root);
            vm.end_turn();
        }
    }

    /// A request reaches a worker. If its VM is dead, the failure policy decides.
    pub(crate) fn new_stream(&mut self, worker: usize, idle_timeout: Duration) -> StreamKey {
        let index = worker + 1;
        let dead = self.vms[self.locals[index].vm].failure().is_some();
        let rested = self.now() >= self.locals[index].loaded_at + self.process.borrow().timing.reload_backoff;
        if dead && rested && self.options.policy == FailurePolicy::Reload {
            self.locals[index].loaded_at = self.now();
            if let Ok((vm, root)) = self.load(self.locals[index].thread) {
                (self.locals[index].vm, self.locals[index].root) = (vm, root);
            }
        }
        self.connections += 1;
        let Local { vm, root, .. } = self.locals[index];
        let bypass = self.vms[vm].failure().is_some() && self.options.policy == FailurePolicy::Open;
        let connection = Connection { id: self.connections, idle_timeout, bypass };
        StreamKey { vm, context: self.vms[vm].new_stream(root, &connection) }
    }

    pub(crate) fn clear_history(&mut self) {
        let mut process = self.process.borrow_mut();
        process.events.clear();
        process.host_calls.clear();
        process.instructions.clear();
        process.clusters.calls.clear();
        drop(process);
        for vm in &mut self.vms {
            vm.state().past.clear();
        }
    }

    /// The worker's current VM.
    pub(crate) fn vm_of(&mut self, worker: usize) -> usize {
        self.locals[worker + 1].vm
    }

    pub(crate) fn stall(&mut self, worker: usize, time: Duration) {
        self.locals[worker + 1].stalled_until = self.now() + time;
    }

    /// Runs the next thing that is due by `until`; false if there is none.
    pub(crate) fn step(&mut self, until: Duration) -> bool {
        let Some((at, thread, task)) = self.process.borrow_mut().agenda.take_due(until) else { return false };
        let local = match thread {
            Thread::Main => &self.locals[0],
            Thread::Worker(worker) => &self.locals[worker + 1],
        };
        if local.stalled_until > at {
            self.process.borrow_mut().agenda.add(local.stalled_until, thread, task);
            return true;
        }
        let current = local.vm;
        self.process.borrow_mut().now = at;
        let vm = match &task {
            Task::Tick { vm, .. } | Task::CallDone { vm, .. } => *vm,
            Task::Upstream { stream, .. } | Task::IdleTimeout { stream, .. } => stream.vm,
            Task::QueueReady { .. } | Task::DrainEnd { .. } => current,
        };
        self.perform(vm, task);
        self.vms[vm].end_turn();
        true
    }

    fn perform(&mut self, number: usize, task: Task) {
        let vm = &mut self.vms[number];
        match task {
            Task::Tick { root, timer, .. } => vm.tick(root, timer),
            Task::QueueReady { context, queue } => vm.queue_ready(context, queue),
            Task::CallDone { root, token, reply, .. } => vm.call_done(root, token, reply),
            Task::IdleTimeout { stream, activity } => vm.idle_timeout(stream.context, activity),
            Task::Upstream { stream, event } => Self::upstream(vm, stream.context, event),
            Task::DrainEnd { generation } => self.retire(generation, true),
        }
    }

    /// The upstream sends something.
    pub(crate) fn upstream(vm: &mut Vm, context: u32, event: UpstreamEvent) {
        match event {
            UpstreamEvent::Headers(headers, last) => vm.on_headers(context, Direction::Response, headers, last),
            UpstreamEvent::Body(piece, last) => vm.on_body(context, Direction::Response, piece, last),
            UpstreamEvent::Trailers(trailers) => vm.on_trailers(context, Direction::Response, trailers),
            UpstreamEvent::Reset => vm.reset_by_upstream(context),
        }
    }
}

fn plugin(options: &Options, configuration: Vec<u8>, generation: u64) -> Plugin {
    Plugin {
        name: options.name.clone(),
        root_id: options.name.clone(),
        vm_id: options.vm_id.clone(),
        configuration,
        vm_configuration: Vec::new(),
        environment: options.environment.clone(),
        allow_on_headers_stop_iteration: options.allow_on_headers_stop_iteration,
        route_name: "route".to_owned(),
        cluster_name: "pods".to_owned(),
        node_id: "node".to_owned(),
        generation,
    }
}
