//! Course of requests that wait for the first list of pods.

use super::body::BodyContent;
use super::intent::Wish;
use crate::scheduling::subset::Subset;

/// Course of such a request once the pods are known.
#[derive(Debug)]
pub(super) enum Plan {
    /// It passes, for this model if that is known, among these pods.
    Pass(Option<String>, Option<Subset>),
    /// It is scheduled. With what its body says, where that was read.
    Schedule(Box<Wish>, Option<Box<BodyContent>>),
}
