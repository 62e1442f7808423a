//! A request that runs on a pod, as a policy may know it.

use serde::{Deserialize, Serialize};

use super::prediction::OutputLengths;
use super::request::Weight;
use super::slo::Slo;
use super::time::Instant;

/// See the module.
#[derive(Clone, Debug)]
pub struct Run {
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// When it came to the gateway: its objective counts from there.
    pub arrived_at: Instant,
    /// When it was forwarded to its pod.
    pub placed_at: Instant,
    /// How far its answer is.
    pub progress: Progress,
    /// What it is to keep; nothing if that is empty.
    pub slo: Slo,
    /// How long its answer may be.
    pub lengths: OutputLengths,
    /// What keeping its objective is worth.
    pub weight: Weight,
}

/// What has been seen of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Nothing, and nothing need be before its end: an answer that is not streamed.
    #[default]
    Unseen,
    /// It will be streamed, and has no token yet.
    Prefilling,
    /// It is streamed.
    Decoding {
        /// When its first token came.
        first_token_at: Instant,
        /// Tokens of it that had come by `seen_at`.
        tokens: u32,
        /// When the last of them came.
        seen_at: Instant,
    },
}
