//! The recent completions of one model.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::scheduling::time::Instant;

/// A request that completed, as the model server counted its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// Instant at which the answer was complete.
    pub completed_at: Instant,
}

/// The last [`History::CAPACITY`] completions of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History(VecDeque<Completion>);

// === impl History ===

impl History {
    /// Enough for a median of each input bucket that traffic really has, few enough to share
    /// between VMs.
    pub const CAPACITY: usize = 600;

    /// Adds the newest completion and forgets the oldest if there are too many.
    pub fn push(&mut self, completion: Completion) {
        if self.0.len() >= Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(completion);
    }

    /// Forgets what completed before that.
    pub fn forget_before(&mut self, instant: Instant) {
        // Several VMs add to it, so that the order is not quite that of time.
        self.0.retain(|completion| completion.completed_at >= instant);
    }

    /// The completions, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Completion> + ExactSizeIterator {
        self.0.iter()
    }
}

/// Oldest first; the last ones are kept.
impl FromIterator<Completion> for History {
    fn from_iter<I: IntoIterator<Item = Completion>>(completions: I) -> Self {
        let mut history = Self::default();
        completions.into_iter().for_each(|completion| history.push(completion));
        history
    }
}
