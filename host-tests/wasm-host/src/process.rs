//! State that all VMs of the proxy share: clock, shared data, queues, metrics, clusters, and the
//! agenda that wakes them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::abi::Status;
use crate::agenda::{Agenda, Task};
use crate::callout::Clusters;
use crate::event::{Event, Thread};
use crate::metrics::Metrics;
use crate::random::{Draws, Random};
use crate::shared_data::SharedData;
use crate::shared_queue::SharedQueues;
use crate::upstream::Router;
use crate::{LogLevel, Timing};

/// Shared by all VMs of a world; one thread runs them all, so a cell is enough.
pub(crate) type SharedProcess = Rc<RefCell<Process>>;

/// Fault in the notification of an enqueue. The message itself is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationFault {
    /// It never comes.
    Lost,
    /// It comes twice.
    Doubled,
}

pub(crate) struct Process {
    /// The monotonic clock.
    pub(crate) now: Duration,
    /// The wall clock, as time since the Unix epoch where `now` is zero; a test may step it.
    pub(crate) wall_origin: Duration,
    pub(crate) timing: Timing,
    pub(crate) log_level: LogLevel,
    pub(crate) agenda: Agenda,
    pub(crate) events: Vec<Event>,
    /// Number of calls of each host function by guests.
    pub(crate) host_calls: BTreeMap<&'static str, usize>,
    /// The most instructions that one call of each export took, where they are counted.
    pub(crate) instructions: BTreeMap<&'static str, u64>,
    pub(crate) shared_data: SharedData,
    pub(crate) queues: SharedQueues,
    pub(crate) metrics: Metrics,
    pub(crate) clusters: Clusters,
    pub(crate) router: Router,
    pub(crate) draws: Draws,
    /// Fault of so many notifications of queues from now on.
    pub(crate) notification_fault: (NotificationFault, usize),
    /// Functions of the proxy that do nothing but return this status.
    pub(crate) refused: BTreeMap<&'static str, Status>,
    timers_made: u64,
}

// === impl Process ===

impl Process {
    pub(crate) fn new(timing: Timing, log_level: LogLevel, router: Router, seed: Option<u64>) -> Self {
        let mut random = Random::new(seed.unwrap_or(0).wrapping_add(1));
        Self {
            now: Duration::ZERO,
            // An arbitrary Tuesday.
            wall_origin: Duration::from_secs(1_760_000_000),
            timing,
            log_level,
            agenda: Agenda::new(seed.map(Random::new)),
            events: Vec::new(),
            host_calls: BTreeMap::new(),
            instructions: BTreeMap::new(),
            shared_data: SharedData::default(),
            queues: SharedQueues::default(),
            metrics: Metrics::default(),
            clusters: Clusters::default(),
            router,
            draws: Box::new(move |_, bytes| random.fill(bytes)),
            notification_fault: (NotificationFault::Lost, 0),
            refused: BTreeMap::new(),
            timers_made: 0,
        }
    }

    pub(crate) fn note_instructions(&mut self, export: &'static str, taken: u64) {
        let most = self.instructions.entry(export).or_default();
        *most = taken.max(*most);
    }

    pub(crate) fn wall_clock(&self) -> Duration {
        self.wall_origin + self.now
    }

    pub(crate) fn after(&mut self, delay: Duration, thread: Thread, task: Task) {
        let at = self.now.saturating_add(delay);
        self.agenda.add(at, thread, task);
    }

    /// A number for a new timer, so that a replaced one is told from its successor.
    pub(crate) fn next_timer(&mut self) -> u64 {
        self.timers_made += 1;
        self.timers_made
    }

    /// Tells a queue's consumer, later and on its own thread.
    pub(crate) fn notify(&mut self, consumer: crate::shared_queue::Consumer, queue: u32) {
        let (fault, left) = &mut self.notification_fault;
        let times = match fault {
            _ if *left == 0 => 1,
            NotificationFault::Lost => 0,
            NotificationFault::Doubled => 2,
        };
        *left = left.saturating_sub(1);
        for _ in 0..times {
            let task = Task::QueueReady { context: consumer.context, queue };
            self.after(self.timing.queue_delay, consumer.thread, task);
        }
    }
}
