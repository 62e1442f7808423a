//! AIBrix's prediction, for conformance: one completion of the same input bucket, drawn at random
//! from a sliding window.
//!
//! It differs from AIBrix in three named points: the caller draws once per request and keeps the
//! result, where AIBrix draws anew at each use; the window moves with the time of the prediction,
//! where AIBrix moves it only when a request completes, so that it predicts from hours-old answers
//! after an idle hour; and no more than [`History::CAPACITY`] completions count.

use std::time::Duration;

use super::{Completion, History};
use crate::scheduling::shape::log2_bucket;
use crate::scheduling::time::Instant;

/// A window that moves in slots, counted from the clock's zero: the newest slot and as many before
/// it as the window spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawWindow {
    slot_us: u64,
    slots: u64,
}

// === impl DrawWindow ===

impl DrawWindow {
    /// A window of this length, rounded up to whole slots (of 1 µs at least).
    pub fn new(window: Duration, slot: Duration) -> Self {
        let [window_us, slot_us] = [window, slot].map(|span| Instant::ZERO.after(span).as_micros());
        let slot_us = slot_us.max(1);
        Self { slot_us, slots: window_us.saturating_add(slot_us.saturating_sub(1)).checked_div(slot_us).unwrap_or(0) }
    }

    /// AIBrix's: 240 s in slots of 10 s.
    pub fn aibrix() -> Self {
        Self::new(Duration::from_secs(240), Duration::from_secs(10))
    }

    /// The completions in the window at `now` whose prompt is in the same bucket as `input_tokens`.
    pub fn completions(&self, history: &History, input_tokens: u32, now: Instant) -> impl Iterator<Item = Completion> {
        let bucket = log2_bucket(input_tokens);
        let newest = self.slot_of(now);
        history.iter().copied().filter(move |completion| {
            let age = newest.saturating_sub(self.slot_of(completion.completed_at));
            age < self.slots && log2_bucket(completion.input_tokens) == bucket
        })
    }

    /// Draws an output length for a prompt of this length: 2 to the power of the output bucket of
    /// one of those completions, all equally likely. `None` if there are none: the caller has a
    /// configured value for a cold start.
    pub fn draw(
        &self,
        history: &History,
        input_tokens: u32,
        now: Instant,
        generator: &mut fastrand::Rng,
    ) -> Option<u32> {
        let completions = || self.completions(history, input_tokens, now);
        let last = u64::try_from(completions().count().checked_sub(1)?).ok()?;
        // By a number of 64 bits on all targets, so that one seed draws alike in the filter and in
        // simulations.
        let drawn = completions().nth(usize::try_from(generator.u64(..=last)).ok()?)?;
        1_u32.checked_shl(u32::from(log2_bucket(drawn.output_tokens)))
    }

    fn slot_of(&self, instant: Instant) -> u64 {
        instant.as_micros().checked_div(self.slot_us).unwrap_or(0)
    }
}
