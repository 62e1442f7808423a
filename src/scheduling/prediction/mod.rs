//! Prediction of an answer's length: estimated once, when its request arrives, from the lengths of
//! recent answers.

mod draw;
mod history;
mod index;
mod lengths;
mod output;
mod packed_steps;
#[cfg(test)]
mod tests;

pub use self::draw::DrawWindow;
pub use self::history::{Completion, History};
pub use self::lengths::{LengthDistribution, PartialAnswer};
pub use self::output::OutputLengths;

/// The median output length to expect for a prompt of this length, all choices (`n`) and limits
/// (`max_tokens`) left aside. `None` without a history: the caller has a configured value for a
/// cold start.
pub fn estimate_median(history: &History, running: &[PartialAnswer], input_tokens: u32) -> Option<u32> {
    LengthDistribution::estimate(history, running, input_tokens).map(|lengths| lengths.median())
}
