//! Shared queues: first in, first out, one consumer each: whoever registered last.

use std::collections::{HashMap, VecDeque};

use crate::Thread;

/// The root context that is told of every enqueue. It is named by thread and id, so after a reload the new VM's
/// context of that id hears it, as in Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) thread: Thread,
    pub(crate) context: u32,
}

#[derive(Debug)]
struct Queue {
    consumer: Consumer,
    messages: VecDeque<Vec<u8>>,
}

/// All queues of a process, by token (from 1).
#[derive(Debug, Default)]
pub(crate) struct SharedQueues {
    tokens: HashMap<String, u32>,
    queues: Vec<Queue>,
}

// === impl SharedQueues ===

impl SharedQueues {
    /// Makes `consumer` the one that is told of messages in `name`; messages that are there stay.
    pub(crate) fn register(&mut self, name: &str, consumer: Consumer) -> u32 {
        let next = u32::try_from(self.queues.len() + 1).unwrap_or(u32::MAX);
        let token = *self.tokens.entry(name.to_owned()).or_insert(next);
        match self.queue(token) {
            Some(queue) => queue.consumer = consumer,
            None => self.queues.push(Queue { consumer, messages: VecDeque::new() }),
        }
        token
    }

    /// The token of a registered queue.
    pub(crate) fn resolve(&self, name: &str) -> Option<u32> {
        self.tokens.get(name).copied()
    }

    /// Appends a message; returns whom to tell, or none for an unknown queue.
    pub(crate) fn enqueue(&mut self, token: u32, message: Vec<u8>) -> Option<Consumer> {
        let queue = self.queue(token)?;
        queue.messages.push_back(message);
        Some(queue.consumer)
    }

    /// The oldest message: none for an unknown queue, `Some(None)` for an empty one.
    pub(crate) fn dequeue(&mut self, token: u32) -> Option<Option<Vec<u8>>> {
        self.queue(token).map(|queue| queue.messages.pop_front())
    }

    fn queue(&mut self, token: u32) -> Option<&mut Queue> {
        let index = usize::try_from(token).ok()?.checked_sub(1)?;
        self.queues.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Consumer = Consumer { thread: Thread::Main, context: 1 };
    const LAST: Consumer = Consumer { thread: Thread::Worker(0), context: 1 };

    #[test]
    fn the_last_registrant_is_told_and_messages_stay() {
        let mut queues = SharedQueues::default();
        let token = queues.register("q", FIRST);
        assert_eq!(queues.enqueue(token, b"1".to_vec()), Some(FIRST));
        assert_eq!(queues.register("q", LAST), token);
        assert_eq!(queues.enqueue(token, b"2".to_vec()), Some(LAST));
        assert_eq!(queues.dequeue(token), Some(Some(b"1".to_vec())));
        assert_eq!(queues.dequeue(token), Some(Some(b"2".to_vec())));
        assert_eq!(queues.dequeue(token), Some(None));
    }

    #[test]
    fn an_unknown_queue_is_told_apart_from_an_empty_one() {
        let mut queues = SharedQueues::default();
        assert_eq!(queues.dequeue(1), None);
        assert_eq!(queues.enqueue(0, Vec::new()), None);
        assert_eq!(queues.resolve("q"), None);
    }
}
