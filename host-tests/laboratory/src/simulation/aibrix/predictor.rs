//! AIBrix's output predictor: counts of (input bucket, output bucket) over a window of slots.

use std::collections::VecDeque;
use std::time::Duration;

use slo_router::scheduling::shape::{LAST_BUCKET, log2_bucket};
use slo_router::scheduling::time::Instant;

/// Buckets of each axis: lengths up to 2^20.
const BUCKETS: usize = LAST_BUCKET as usize + 1;
/// Time of one slot.
const SLOT: Duration = Duration::from_secs(10);
/// Time that the slots together span.
pub(super) const WINDOW: Duration = Duration::from_secs(240);
/// Predicted before an input bucket has seen an answer.
const COLD: u32 = 1;

type Counts = [[u32; BUCKETS]; BUCKETS];

/// See the module.
pub(super) struct Predictor {
    created_at: Instant,
    slots_kept: u64,
    /// Answers by slot, oldest first: (slot, input bucket, output bucket).
    answers: VecDeque<(u64, u8, u8)>,
    counts: Box<Counts>,
}

// === impl Predictor ===

impl Predictor {
    pub(super) fn new(window: Duration, now: Instant) -> Self {
        let slots_kept = window.as_micros().div_ceil(SLOT.as_micros()) as u64;
        let counts = Box::new([[0; BUCKETS]; BUCKETS]);
        Self { created_at: now, slots_kept, answers: VecDeque::new(), counts }
    }

    /// An answer is complete. Only now does the window move.
    pub(super) fn add(&mut self, input_tokens: u32, output_tokens: u32, now: Instant) {
        let slot = (now.since(self.created_at).as_micros() / SLOT.as_micros()) as u64;
        let (input, output) = (log2_bucket(input_tokens), log2_bucket(output_tokens));
        self.answers.push_back((slot, input, output));
        self.counts[usize::from(input)][usize::from(output)] += 1;
        while let Some((_, input, output)) = self.answers.pop_front_if(|(old, ..)| *old + self.slots_kept <= slot) {
            self.counts[usize::from(input)][usize::from(output)] -= 1;
        }
    }

    /// Answers in the window to prompts of this length's bucket.
    pub(super) fn answers(&self, input_tokens: u32) -> u32 {
        self.counts[usize::from(log2_bucket(input_tokens))].iter().sum()
    }

    /// A length for a prompt of this length, drawn anew at each call.
    pub(super) fn draw(&self, input_tokens: u32, rng: &mut fastrand::Rng) -> u32 {
        let answers = self.answers(input_tokens);
        if answers == 0 {
            return COLD;
        }
        let mut drawn = rng.u32(0..answers);
        for (length, count) in self.distribution(input_tokens) {
            if drawn < count {
                return length;
            }
            drawn -= count;
        }
        1 << LAST_BUCKET
    }

    /// Lengths that answers to such prompts had, as powers of two, and how often; nothing before any.
    pub(super) fn distribution(&self, input_tokens: u32) -> impl Iterator<Item = (u32, u32)> {
        let counts = &self.counts[usize::from(log2_bucket(input_tokens))];
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bucket, count)| (1 << bucket, *count))
    }
}
