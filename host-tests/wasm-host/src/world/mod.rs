//! The proxy as a test sees it: workers that take requests, and time that passes only when told.

mod inner;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

pub(crate) use inner::Inner;

use crate::builder::{Builder, Rejected};
use crate::event::{Event, What};
use crate::request::RequestBuilder;
use crate::{Call, Metric, NotificationFault, Program, Status};

/// A running proxy. Handles are cheap to clone and name the same proxy.
#[derive(Clone)]
pub struct World {
    pub(crate) inner: Rc<RefCell<Inner>>,
}

/// One of a world's workers.
pub struct Worker {
    world: World,
    index: usize,
}

/// Time at which the roots of an earlier configuration go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// Each with its last stream, as after an update of the filter alone.
    AfterLastStream,
    /// After the listener's drain time, which cuts the streams that are left.
    After(Duration),
}

// === impl World ===

impl World {
    /// Begins a world that runs this filter.
    pub fn builder(program: &Program) -> Builder {
        Builder::new(program)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Rc::new(RefCell::new(inner)) }
    }

    /// The monotonic clock: virtual time since the start, and what it showed then.
    pub fn now(&self) -> Duration {
        self.inner.borrow().now()
    }

    /// Lets time pass, and all happen that is due by then, in order.
    pub fn advance(&self, time: Duration) {
        let until = self.now() + time;
        while self.inner.borrow_mut().step(until) {}
        self.inner.borrow().process.borrow_mut().now = until;
    }

    /// Returns the time at which something next happens by itself.
    pub fn next_at(&self) -> Option<Duration> {
        self.inner.borrow().process.borrow().agenda.next_at()
    }

    /// Lets time pass to a moment of which nothing has happened yet: what is due then comes after what the test does now.
    pub fn advance_up_to(&self, at: Duration) {
        let now = self.now();
        if at > now {
            self.advance(at - now - Duration::from_nanos(1));
            self.inner.borrow().process.borrow_mut().now = at;
        }
    }

    /// Lets one thing after another happen until `done`, for at most `time`; whether it came to that.
    pub fn run_until(&self, time: Duration, mut done: impl FnMut() -> bool) -> bool {
        let until = self.now() + time;
        while !done() {
            if !self.inner.borrow_mut().step(until) {
                self.inner.borrow().process.borrow_mut().now = until;
                return done();
            }
        }
        true
    }

    /// The worker of that number, from zero.
    pub fn worker(&self, index: usize) -> Worker {
        Worker { world: self.clone(), index }
    }

    /// Gives all threads a new configuration.
    ///
    /// # Errors
    /// If the guest refuses it; the old one then goes on.
    pub fn update(&self, configuration: impl Into<Vec<u8>>, retire: Retire) -> Result<(), Rejected> {
        self.inner.borrow_mut().update(configuration.into(), retire)
    }

    /// All that was seen so far.
    pub fn events(&self) -> Vec<Event> {
        self.inner.borrow().process.borrow().events.clone()
    }

    /// The guest's log lines so far, of all VMs.
    pub fn logs(&self) -> Vec<String> {
        let lines = self.events().into_iter().filter_map(|event| match event.what {
            What::Log(_, line) => Some(line),
            _ => None,
        });
        lines.collect()
    }

    /// Returns the reasons that VMs died so far.
    pub fn traps(&self) -> Vec<String> {
        let traps = self.events().into_iter().filter_map(|event| match event.what {
            What::Trapped(why) => Some(why),
            _ => None,
        });
        traps.collect()
    }

    /// Counts the calls of VMs to each function of the proxy so far.
    pub fn host_calls(&self) -> BTreeMap<&'static str, usize> {
        self.inner.borrow().process.borrow().host_calls.clone()
    }

    /// The most WebAssembly instructions that one call of each export took so far, in programs that count them.
    pub fn instructions(&self) -> BTreeMap<&'static str, u64> {
        self.inner.borrow().process.borrow().instructions.clone()
    }

    /// Forgets the events, the host calls, the callouts and the ended streams so far, so that long runs stay small. The handles of those
    /// streams must not be used any more.
    pub fn clear_history(&self) {
        self.inner.borrow_mut().clear_history();
    }

    /// The value of a key of shared data.
    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.inner.borrow().process.borrow().shared_data.get(key).map(|(value, _)| value.to_vec())
    }

    /// All keys of shared data, in order.
    pub fn shared_data_keys(&self) -> Vec<String> {
        self.inner.borrow().process.borrow().shared_data.keys()
    }

    /// Writes shared data, as another process's plugin of the same `vm_id` would.
    pub fn set_shared_data(&self, key: &str, value: impl Into<Vec<u8>>) {
        self.inner.borrow().process.borrow_mut().shared_data.set(key, value.into(), 0);
    }

    /// The sum of a counter.
    pub fn counter(&self, name: &str) -> Option<u64> {
        match self.metric("counter", name)? {
            Metric::Counter(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<u64> {
        match self.metric("gauge", name)? {
            Metric::Gauge(value) => Some(value),
            _ => None,
        }
    }

    /// Returns what a histogram recorded, in order.
    pub fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        match self.metric("histogram", name)? {
            Metric::Histogram(values) => Some(values),
            _ => None,
        }
    }

    fn metric(&self, kind: &str, name: &str) -> Option<Metric> {
        self.inner.borrow().process.borrow().metrics.get(&format!("{kind} {name}")).cloned()
    }

    /// The callouts made so far.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.borrow().process.borrow().clusters.calls.clone()
    }

    /// Sets the wall clock forward; the monotonic one goes on as it was.
    pub fn step_wall_clock(&self, by: Duration) {
        self.inner.borrow().process.borrow_mut().wall_origin += by;
    }

    /// Sets the wall clock back; the monotonic one goes on as it was.
    pub fn step_wall_clock_back(&self, by: Duration) {
        self.inner.borrow().process.borrow_mut().wall_origin -= by;
    }

    /// Makes a fault of the next `count` notifications of shared queues.
    pub fn fault_notifications(&self, fault: NotificationFault, count: usize) {
        self.inner.borrow().process.borrow_mut().notification_fault = (fault, count);
    }

    /// Has VMs' calls of a function of the proxy refused with this status.
    pub fn refuse(&self, function: &'static str, status: Status) {
        self.inner.borrow().process.borrow_mut().refused.insert(function, status);
    }

    /// Has no call refused any more.
    pub fn refuse_nothing(&self) {
        self.inner.borrow().process.borrow_mut().refused.clear();
    }
}

// === impl Worker ===

impl Worker {
    /// Begins a request to this worker.
    pub fn request(&self) -> RequestBuilder {
        RequestBuilder::new(self.world.clone(), self.index)
    }

    /// Kills the worker's VM, as a trap does.
    pub fn kill(&self) {
        let mut inner = self.world.inner.borrow_mut();
        let vm = inner.vm_of(self.index);
        inner.vms[vm].fail(0, "killed by the test".to_owned());
    }

    /// Returns `true` if the worker's VM lives.
    pub fn is_alive(&self) -> bool {
        let mut inner = self.world.inner.borrow_mut();
        let vm = inner.vm_of(self.index);
        inner.vms[vm].failure().is_none()
    }

    /// Stops the worker's event loop for a time: what is due waits. Requests that the test sends still come in at once.
    pub fn stall(&self, time: Duration) {
        self.world.inner.borrow_mut().stall(self.index, time);
    }
}
