//! Tasks in order of the virtual time at which they are due.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::callout::CallReply;
use crate::event::Thread;
use crate::random::Random;
use crate::upstream::UpstreamEvent;

/// A stream, by the VM that serves it and the context there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    pub(crate) vm: usize,
    pub(crate) context: u32,
}

/// Something to be done at a time.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// `timer` tells a timer that was replaced since.
    Tick {
        vm: usize,
        root: u32,
        timer: u64,
    },
    QueueReady {
        context: u32,
        queue: u32,
    },
    CallDone {
        vm: usize,
        root: u32,
        token: u32,
        /// None after a reset.
        reply: Option<CallReply>,
    },
    Upstream {
        stream: StreamKey,
        event: UpstreamEvent,
    },
    IdleTimeout {
        stream: StreamKey,
        activity: u64,
    },
    DrainEnd {
        generation: u64,
    },
}

/// The tasks of all threads in time order. What is due at the same time on one thread runs in the order of its making;
/// between threads the order is that of making too, or drawn by a seed.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    tasks: BTreeMap<(Duration, u64), (Thread, Task)>,
    made: u64,
    shuffle: Option<Random>,
}

// === impl Agenda ===

impl Agenda {
    pub(crate) fn new(shuffle: Option<Random>) -> Self {
        Self { shuffle, ..Self::default() }
    }

    pub(crate) fn add(&mut self, at: Duration, thread: Thread, task: Task) {
        self.made += 1;
        self.tasks.insert((at, self.made), (thread, task));
    }

    /// Returns the time at which the next task is due.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next task that is due by `until`.
    pub(crate) fn take_due(&mut self, until: Duration) -> Option<(Duration, Thread, Task)> {
        let (&(at, first), _) = self.tasks.first_key_value()?;
        if at > until {
            return None;
        }
        let number = match &mut self.shuffle {
            None => first,
            Some(random) => {
                let mut heads: Vec<(Thread, u64)> = Vec::new();
                for ((_, number), (thread, _)) in self.tasks.range((at, 0)..=(at, u64::MAX)) {
                    if !heads.iter().any(|(seen, _)| seen == thread) {
                        heads.push((*thread, *number));
                    }
                }
                heads[random.below(heads.len())].1
            }
        };
        self.tasks.remove(&(at, number)).map(|(thread, task)| (at, thread, task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(shuffle: Option<u64>) -> Vec<(Thread, u32)> {
        let mut agenda = Agenda::new(shuffle.map(Random::new));
        for queue in 0..3 {
            for worker in 0..3 {
                let task = Task::QueueReady { context: 1, queue };
                agenda.add(Duration::from_millis(1), Thread::Worker(worker), task);
            }
        }
        std::iter::from_fn(|| match agenda.take_due(Duration::MAX)? {
            (_, thread, Task::QueueReady { queue, .. }) => Some((thread, queue)),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn a_seed_permutes_threads_and_keeps_each_threads_order() {
        let plain = order(None);
        assert_ne!(order(Some(1)), plain);
        assert_eq!(order(Some(1)), order(Some(1)));
        for worker in 0..3 {
            let of_worker: Vec<u32> = order(Some(1))
                .into_iter()
                .filter(|(thread, _)| *thread == Thread::Worker(worker))
                .map(|(_, queue)| queue)
                .collect();
            assert_eq!(of_worker, [0, 1, 2]);
        }
    }

    #[test]
    fn what_is_due_later_waits() {
        let mut agenda = Agenda::new(None);
        agenda.add(Duration::from_millis(2), Thread::Main, Task::DrainEnd { generation: 1 });
        assert!(agenda.take_due(Duration::from_millis(1)).is_none());
        assert!(agenda.take_due(Duration::from_millis(2)).is_some());
    }
}
