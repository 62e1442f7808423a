//! The streams of a root: one record each, and the order in which those come up that wait for
//! something. A stream that is gone is left out when its turn comes.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::early::Plan;
use super::guard::Guard;
use super::record::{ModelLabel, Record, Stage};
use crate::scheduling::prediction::PartialAnswer;
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;

/// Answers under way that are looked at to predict lengths: they take a tenth of a millisecond.
const MOST_PARTIAL_ANSWERS: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// A tree: a table that outgrows its room is moved as a whole, which takes milliseconds.
    records: BTreeMap<RequestId, Box<Record>>,
    /// Names under which the models of these are known.
    labels: BTreeMap<String, Rc<ModelLabel>>,
    /// Those that wait for their bodies, while it is not known whether any comes.
    guard: Guard,
    /// Those whose bodies have come further than they were read.
    unread: VecDeque<RequestId>,
    /// Those that wait for the first list of pods, and when they came.
    early: VecDeque<(RequestId, Instant)>,
    /// Those that were sent to a pod and have no answer yet.
    unanswered: VecDeque<RequestId>,
}

// === impl Streams ===

impl Streams {
    /// Adds a stream, whose headers came.
    pub(super) fn insert(&mut self, mut record: Record) {
        if record.stage.body().is_some() {
            self.guard.watch(record.id, record.arrived_at);
        }
        self.records.insert(record.id, Box::new(record));
    }

    /// Takes a stream out.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Box<Record>> {
        self.guard.forget(id);
        let record = self.records.remove(&id)?;
        // The last one of its model: names are the clients', and there may be any number.
        if let Some(facts) = record.facts.as_ref().filter(|facts| Rc::strong_count(&facts.label) <= 2) {
            self.labels.remove(&facts.model);
        }
        Some(record)
    }

    /// Returns the record of a stream.
    pub(super) fn get(&self, id: RequestId) -> Option<&Record> {
        self.records.get(&id).map(|record| &**record)
    }

    /// Returns the record of a stream, to change it.
    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Record> {
        self.records.get_mut(&id).map(|record| &mut **record)
    }

    /// Returns `true` if any waits for something that a tick brings about.
    pub(super) fn any_waits(&self) -> bool {
        self.guard.is_watching() || !self.early.is_empty() || self.any_unread()
    }

    /// Notes that Envoy shows bodies.
    pub(super) fn body_seen(&mut self) {
        self.guard.body_seen();
    }

    /// Returns those that have waited too long for their bodies, in an Envoy that has shown none.
    pub(super) fn without_bodies(&mut self, now: Instant) -> Vec<RequestId> {
        self.guard.give_up(now)
    }

    /// Ends the reading of a stream's body. Returns the stage in which that was.
    pub(super) fn end_reading(&mut self, id: RequestId) -> Option<Stage> {
        self.guard.forget(id);
        let stage = &mut self.records.get_mut(&id)?.stage;
        stage.body()?;
        Some(std::mem::replace(stage, Stage::Waiting))
    }

    /// Notes that a body has come further than it was read.
    pub(super) fn note_unread(&mut self, id: RequestId) {
        if !self.unread.contains(&id) {
            self.unread.push_back(id);
        }
    }

    /// Returns `true` if some bodies have come further than they were read.
    pub(super) fn any_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Number of streams whose bodies have come further than they were read.
    pub(super) fn unread_count(&self) -> usize {
        self.unread.len()
    }

    /// Takes the stream whose body has waited longest to be read on.
    pub(super) fn next_unread(&mut self) -> Option<RequestId> {
        loop {
            let id = self.unread.pop_front()?;
            if self.records.contains_key(&id) {
                return Some(id);
            }
        }
    }

    /// Has a stream, with a record or without one so far, wait for the first list of pods.
    pub(super) fn hold_early(&mut self, id: RequestId, plan: Plan, now: Instant) {
        let record = self.records.entry(id).or_insert_with(|| Box::new(Record::new(id, Stage::Waiting, now)));
        record.stage = Stage::Early(plan);
        self.early.push_back((id, record.arrived_at));
    }

    /// Number of streams that wait for the first list of pods.
    pub(super) fn early_count(&self) -> usize {
        self.early.len()
    }

    /// Returns when the first of them came.
    pub(super) fn first_early(&self) -> Option<Instant> {
        self.early.front().map(|(_, arrived_at)| *arrived_at)
    }

    /// Takes the first of them, with what it waits for; `None` if it is gone.
    pub(super) fn take_early(&mut self) -> Option<(RequestId, Plan)> {
        let (id, _) = self.early.pop_front()?;
        match std::mem::replace(&mut self.records.get_mut(&id)?.stage, Stage::Waiting) {
            Stage::Early(plan) => Some((id, plan)),
            _ => None,
        }
    }

    /// Notes that a stream was sent to a pod and has no answer yet.
    pub(super) fn note_unanswered(&mut self, id: RequestId) {
        self.unanswered.push_back(id);
    }

    /// Takes those that were sent to pods and still have no answer, of the `most` that came up
    /// longest ago.
    pub(super) fn take_unanswered(&mut self, most: usize) -> Vec<RequestId> {
        let count = self.unanswered.len().min(most);
        let records = &self.records;
        let waits = |id: &RequestId| {
            let record = records.get(id).filter(|record| record.status.is_none());
            record.is_some_and(|record| matches!(record.stage, Stage::Forwarded(_)))
        };
        self.unanswered.drain(..count).filter(waits).collect()
    }

    /// Returns the name under which a model's requests count, which is `label` if it has none now.
    pub(super) fn label(&mut self, model: &str, label: Rc<str>) -> Rc<ModelLabel> {
        if let Some(known) = self.labels.get(model) {
            return Rc::clone(known);
        }
        let label = Rc::new(ModelLabel { first: label, own: OnceCell::new() });
        self.labels.insert(model.to_owned(), Rc::clone(&label));
        label
    }

    /// Counts a model's requests under its own name from now on.
    pub(super) fn relabel(&mut self, model: &str, own: &Rc<str>) {
        if let Some(label) = self.labels.get(model) {
            // It has none, or this one already.
            let _ = label.own.set(Rc::clone(own));
        }
    }

    /// Returns the answers under way of those of `running` that have this label, a sample of them
    /// where many run: their lengths so far are known to be exceeded. What waits has no length yet,
    /// and may be a hundred times as many.
    pub(super) fn partial_answers(
        &self,
        running: impl ExactSizeIterator<Item = RequestId>,
        label: &str,
    ) -> Vec<PartialAnswer> {
        let stands_for = running.len().div_ceil(MOST_PARTIAL_ANSWERS).max(1);
        let running = running.step_by(stands_for).filter_map(|id| {
            let record = self.records.get(&id)?;
            let facts = record.facts.as_ref().filter(|facts| facts.label.name() == label)?;
            let observer = record.observer.as_ref()?;
            let output_so_far = facts.of_each(observer.output_so_far().least_tokens());
            Some(PartialAnswer { input_tokens: facts.shape.input_tokens, output_so_far, stands_for })
        });
        running.collect()
    }
}
