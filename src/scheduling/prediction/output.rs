//! Distribution of the length of the answer to one request.

use std::ops::RangeInclusive;
use std::rc::Rc;

use super::LengthDistribution;

/// Share of what there is by which a length is taken to go on, where it has outgrown all that was
/// ever seen.
const UNSEEN_TAIL: f64 = 0.25;

/// A survival so small that nothing can be divided by it.
const NONE_LEFT: f64 = 1e-9;

/// The lengths of answers to prompts like its own, and the most tokens that it may have
/// (`max_tokens`).
#[derive(Clone, Debug)]
pub struct OutputLengths {
    curve: Rc<LengthDistribution>,
    most: u32,
}

/// The lengths of an answer that has some tokens already; worth keeping where several ranges are
/// asked for.
#[derive(Clone, Copy, Debug)]
pub struct GoingOn<'a> {
    lengths: &'a OutputLengths,
    /// The shortest that it can still have.
    next: f64,
    /// The share of all answers that are so long at least.
    left: f64,
}

// === impl OutputLengths ===

impl OutputLengths {
    /// Distributed like `curve`, and cut off at `most` tokens.
    pub fn new(curve: Rc<LengthDistribution>, most: u32) -> Self {
        Self { curve, most }
    }

    /// The lengths before they are cut off.
    pub fn curve(&self) -> &Rc<LengthDistribution> {
        &self.curve
    }

    /// Returns the length at which they are cut off.
    pub fn most_tokens(&self) -> u32 {
        self.most
    }

    /// Of an answer of which there are `so_far` tokens, and which goes on.
    pub fn given(&self, so_far: f64) -> GoingOn<'_> {
        let next = so_far.max(0.0).floor() + 1.0;
        GoingOn { lengths: self, next, left: self.survival(next) }
    }

    /// The median length.
    pub fn median(&self) -> u32 {
        self.curve.median().min(self.most)
    }

    fn survival(&self, tokens: f64) -> f64 {
        if tokens > f64::from(self.most) { 0.0 } else { self.curve.survival(tokens) }
    }
}

// === impl GoingOn ===

impl GoingOn<'_> {
    /// The probability that it ends with a length in `range`.
    ///
    /// With S the survival curve, that is (S(first) − S(beyond last)) / S(so far + 1). An answer
    /// that is longer than all that were seen is taken to be memoryless from there on, with a
    /// quarter of its length still to come.
    pub fn probability_within(&self, range: RangeInclusive<f64>) -> f64 {
        let &Self { lengths, next, left } = self;
        let start = range.start().ceil();
        // A comparison: `max` is a call in WebAssembly, and this is asked thousands of times in a
        // round.
        let first = if start > next { start } else { next };
        let beyond = range.end().floor() + 1.0;
        if beyond <= first {
            return 0.0;
        }
        if first == next && beyond.is_infinite() {
            // Any length is within it.
            return 1.0;
        }
        if left > NONE_LEFT {
            let from = if first > next { lengths.survival(first) } else { left };
            let beyond = if beyond.is_finite() { lengths.survival(beyond) } else { 0.0 };
            return ((from - beyond) / left).clamp(0.0, 1.0);
        }
        let mean_left = (UNSEEN_TAIL * next).max(1.0);
        let longer = |tokens: f64| (-(tokens - next) / mean_left).exp();
        (longer(first) - longer(beyond)).clamp(0.0, 1.0)
    }
}

impl Default for OutputLengths {
    /// Nothing known but the usual median of chat answers, 256 tokens.
    fn default() -> Self {
        thread_local! {
            /// Made once: it is asked for wherever a request runs of which nothing more is known.
            static USUAL: Rc<LengthDistribution> = Rc::new(LengthDistribution::memoryless(256));
        }
        Self::new(USUAL.with(Rc::clone), u32::MAX)
    }
}
