//! Work of an iteration: admission, chunks of prompts, preemption.

use slo_router::scheduling::time::Instant;

use super::roofline::Work;
use super::sequence::Sequence;
use super::{Detail, Engine, Event, EventKind};

// === impl Engine ===

impl Engine {
    /// Starts an iteration at `self.now` if none is in flight and there is work.
    pub(super) fn start_if_idle(&mut self) {
        if self.iteration_ends_at.is_some() {
            return;
        }
        let mut work = Work::default();
        let preempted = self.form_batch(&mut work);
        if work.tokens > 0 {
            self.iteration_ends_at = Some(self.end_of(work, self.now));
            if self.detail == Detail::Milestones && !preempted {
                self.extend_stretch(work);
            }
        }
    }

    /// Returns the instant at which the next iteration, of this work, ends if it starts at `start`.
    pub(super) fn end_of(&mut self, work: Work, start: Instant) -> Instant {
        let plain = self.spec.time_of(work);
        self.iterations += 1;
        start.after(self.spec.behaviour.tempo.time_of(plain, start, self.iterations, self.draw))
    }

    /// Ends the iteration in flight: new tokens, and the sequences that are complete.
    pub(super) fn complete_iteration(&mut self, events: &mut Vec<Event>) {
        let (at, detail, draw, speculation) = (self.now, self.detail, self.draw, self.spec.behaviour.speculation);
        let (cache, ids, keeps_blocks) = (&mut self.cache, &mut self.ids, self.spec.behaviour.keeps_blocks);
        self.running.retain_mut(|sequence| {
            let (id, before) = (sequence.id, sequence.generated());
            let accepted = speculation.map_or(0, |by| by.accepted(id, before, draw).min(sequence.drafts()));
            let made = sequence.complete_iteration(accepted);
            if keeps_blocks {
                sequence.note_computed(cache);
            }
            let told = if detail == Detail::EveryToken { made } else { made.min(u32::from(before == 0)) };
            events.extend((1..=told).map(|nth| Event { id, kind: EventKind::Token { n: before + nth }, at }));
            let finished = sequence.is_finished();
            if finished {
                sequence.release(cache);
                ids.remove(&id);
                events.push(Event { id, kind: EventKind::Finished { cached_tokens: sequence.cached_tokens() }, at });
            }
            !finished
        });
    }

    /// Returns `true` if one had to be preempted: then the cache is full, and nothing is admitted.
    fn form_batch(&mut self, work: &mut Work) -> bool {
        let mut budget = self.spec.batching.token_budget;
        let preempted = self.schedule_running(work, &mut budget);
        if !preempted {
            self.admit_waiting(work, &mut budget);
        }
        preempted
    }

    fn schedule_running(&mut self, work: &mut Work, budget: &mut u32) -> bool {
        let drafts = self.spec.behaviour.speculation.map_or(0, |speculation| speculation.draft_tokens);
        let mut preempted = false;
        let mut next = 0;
        while next < self.running.len() {
            let sequence = &mut self.running[next];
            sequence.draft(drafts);
            if sequence.blocks_missing() > self.cache.free() {
                preempted = true;
                self.preempt_youngest();
                continue;
            }
            sequence.hold_blocks(&mut self.cache);
            schedule(sequence, work, budget);
            next += 1;
        }
        preempted
    }

    /// The youngest is at the end, so it is not scheduled yet when an older one (or itself) finds no room.
    fn preempt_youngest(&mut self) {
        if let Some(mut youngest) = self.running.pop() {
            youngest.preempt(&mut self.cache);
            self.preempted.push(Event { id: youngest.id, kind: EventKind::Preempted, at: self.now });
            self.waiting.push_front(youngest);
        }
    }

    fn admit_waiting(&mut self, work: &mut Work, budget: &mut u32) {
        while *budget > 0
            && self.running.len() < self.spec.batching.max_sequences
            && let Some(mut sequence) = self.waiting.pop_front()
        {
            if !sequence.admit(&mut self.cache) {
                self.waiting.push_front(sequence);
                break;
            }
            work.loaded_tokens += u64::from(sequence.loaded_tokens());
            schedule(&mut sequence, work, budget);
            self.running.push(sequence);
        }
    }
}

/// Gives a sequence what it still has to compute, within the budget.
fn schedule(sequence: &mut Sequence, work: &mut Work, budget: &mut u32) {
    let tokens = sequence.schedule(*budget);
    *budget -= tokens;
    if tokens > 0 {
        work.add(sequence.computed(), tokens);
        if !sequence.decodes() {
            work.prompt_tokens += u64::from(tokens);
        }
    }
}
