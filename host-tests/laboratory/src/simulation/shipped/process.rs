//! The process that the workers share: its clock, what is due, the shared memory, and metrics.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use slo_router::scheduling::time::Instant;
use slo_router::session::host::Metric;
use slo_router::shared::memory::Memory;
use slo_router::shared::store::Store as _;

use super::agenda::{Agenda, Task};

/// From sending a message until its worker looks: measured in Envoy, 40 to 140 µs.
const DELIVERY: Duration = Duration::from_micros(100);

/// Lag of a timer behind the time asked for: measured in Envoy.
const TICK_LAG: Duration = Duration::from_millis(2);

/// Metric whose values nobody asks for.
const UNREAD: Metric = Metric(u32::MAX);

/// See the module.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) now: Cell<Instant>,
    pub(super) agenda: RefCell<Agenda>,
    pub(super) memory: Memory,
    mailboxes: RefCell<HashMap<u32, Mailbox>>,
    /// Names and last values.
    gauges: RefCell<Vec<(String, u64)>>,
}

/// Messages that wait, and the worker that they come to.
#[derive(Debug)]
struct Mailbox {
    owner: usize,
    unread: usize,
}

// === impl Process ===

impl Process {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now: Cell::new(now),
            agenda: RefCell::default(),
            memory: Memory::default(),
            mailboxes: RefCell::default(),
            gauges: RefCell::default(),
        }
    }

    /// Sets the timer of a worker; `timer` is its number from now on.
    pub(super) fn set_timer(&self, worker: usize, timer: u64, period: Duration) {
        self.agenda.borrow_mut().add(self.now.get().after(period + TICK_LAG), Task::Tick(worker, timer));
    }

    /// Opens a mailbox for a worker; messages come to whoever opened it last.
    pub(super) fn open_mailbox(&self, name: &str, worker: usize) -> Option<u32> {
        let mailbox = self.memory.open_mailbox(name)?;
        let mut mailboxes = self.mailboxes.borrow_mut();
        mailboxes.entry(mailbox).or_insert(Mailbox { owner: worker, unread: 0 }).owner = worker;
        Some(mailbox)
    }

    pub(super) fn send(&self, mailbox: u32) {
        if let Some(Mailbox { owner, unread }) = self.mailboxes.borrow_mut().get_mut(&mailbox) {
            *unread += 1;
            self.agenda.borrow_mut().add(self.now.get().after(DELIVERY), Task::Message(*owner, mailbox));
        }
    }

    /// Takes one message out of a mailbox; `false` if it is empty.
    pub(super) fn take_message(&self, mailbox: u32) -> bool {
        let mut mailboxes = self.mailboxes.borrow_mut();
        let Some(Mailbox { unread, .. }) = mailboxes.get_mut(&mailbox).filter(|mailbox| mailbox.unread > 0) else {
            return false;
        };
        *unread -= 1;
        true
    }

    /// Returns the gauge of this name; those of the same name are one.
    pub(super) fn gauge(&self, name: &str) -> Metric {
        let mut gauges = self.gauges.borrow_mut();
        let position = gauges.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            gauges.push((name.to_owned(), 0));
            gauges.len() - 1
        });
        Metric(position as u32)
    }

    /// Returns a metric that is not kept: nothing in the simulation asks for counters and histograms.
    pub(super) const fn unread_metric() -> Metric {
        UNREAD
    }

    pub(super) fn record(&self, Metric(gauge): Metric, value: u64) {
        if let Some((_, last)) = self.gauges.borrow_mut().get_mut(gauge as usize) {
            *last = value;
        }
    }

    /// Returns the last value of a gauge.
    pub(super) fn value_of(&self, name: &str) -> Option<u64> {
        self.gauges.borrow().iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}
