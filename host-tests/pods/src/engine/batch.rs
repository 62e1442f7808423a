//! What an iteration computes: admission, chunks of prompts, preemption.

use super::roofline::Work;
use super::sequence::Sequence;
use super::{Engine, Event, EventKind};

/// Tokens that one iteration computes at most (vLLM's `max_num_batched_tokens`).
const TOKEN_BUDGET: u32 = 2_048;
/// Sequences that run at once at most (vLLM's `max_num_seqs`).
const MAX_SEQUENCES: usize = 256;

// === impl Engine ===

impl Engine {
    /// Starts an iteration at `self.now` if none is in flight and there is work.
    pub(super) fn start_if_idle(&mut self) {
        if self.iteration_ends_at.is_none() {
            let work = self.form_batch();
            self.iteration_ends_at = (work.tokens > 0).then(|| self.now.after(self.spec.roofline.time_of(work)));
        }
    }

    /// Ends the iteration in flight: new tokens, and the sequences that are complete.
    pub(super) fn complete_iteration(&mut self, events: &mut Vec<Event>) {
        let (at, free_blocks, ids) = (self.now, &mut self.free_blocks, &mut self.ids);
        self.running.retain_mut(|sequence| {
            let id = sequence.id;
            if let Some(n) = sequence.complete_iteration() {
                events.push(Event { id, kind: EventKind::Token { n }, at });
            }
            let finished = sequence.is_finished();
            if finished {
                *free_blocks += sequence.blocks();
                ids.remove(&id);
                events.push(Event { id, kind: EventKind::Finished, at });
            }
            !finished
        });
    }

    fn form_batch(&mut self) -> Work {
        let mut work = Work::default();
        let mut budget = TOKEN_BUDGET;
        let preempted = self.schedule_running(&mut work, &mut budget);
        if !preempted {
            self.admit_waiting(&mut work, &mut budget);
        }
        work
    }

    /// Whether one had to be preempted: then the cache is full, and nothing is admitted.
    fn schedule_running(&mut self, work: &mut Work, budget: &mut u32) -> bool {
        let mut preempted = false;
        let mut next = 0;
        while next < self.running.len() {
            let sequence = &mut self.running[next];
            let more_blocks = sequence.blocks_needed() - sequence.blocks();
            if more_blocks > self.free_blocks {
                preempted = true;
                self.preempt_youngest();
                continue;
            }
            self.free_blocks -= more_blocks;
            sequence.hold_blocks();
            schedule(sequence, work, budget);
            next += 1;
        }
        preempted
    }

    /// The youngest is at the end, so it is not scheduled yet when an older one (or itself) finds no room.
    fn preempt_youngest(&mut self) {
        if let Some(mut youngest) = self.running.pop() {
            self.free_blocks += youngest.blocks();
            youngest.preempt();
            self.preempted.push(Event { id: youngest.id, kind: EventKind::Preempted, at: self.now });
            self.waiting.push_front(youngest);
        }
    }

    fn admit_waiting(&mut self, work: &mut Work, budget: &mut u32) {
        while *budget > 0
            && self.running.len() < MAX_SEQUENCES
            && let Some(mut sequence) =
                self.waiting.pop_front_if(|sequence| sequence.blocks_needed() <= self.free_blocks)
        {
            self.free_blocks -= sequence.blocks_needed();
            sequence.hold_blocks();
            schedule(&mut sequence, work, budget);
            self.running.push(sequence);
        }
    }
}

/// Gives a sequence what it still has to compute, within the budget.
fn schedule(sequence: &mut Sequence, work: &mut Work, budget: &mut u32) {
    let tokens = sequence.to_compute().min(*budget);
    sequence.schedule(tokens);
    *budget -= tokens;
    if tokens > 0 {
        work.add(sequence.computed(), tokens);
    }
}
