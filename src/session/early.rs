//! Requests that wait for the first list of pods.

use std::collections::VecDeque;

use super::body::BodyContent;
use super::intent::Wish;
use crate::scheduling::request::RequestId;
use crate::scheduling::subset::Subset;
use crate::scheduling::time::Instant;

/// Requests that wait for the first list of pods, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Early {
    pub(super) ids: VecDeque<(RequestId, Instant)>,
}

/// Course of such a request once the pods are known.
#[derive(Debug)]
pub(super) enum Plan {
    /// It passes, for this model if that is known, among these pods.
    Pass(Option<String>, Option<Subset>),
    /// It is scheduled. With what its body says, where that was read.
    Schedule(Box<Wish>, Option<Box<BodyContent>>),
}

// === impl Early ===

impl Early {
    /// Returns `true` if none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
