//! Bounds on how long pods are out, and on how many.

use std::time::Duration;

use crate::scheduling::pool::PodId;

/// Time for which a pod is out after its first failure.
pub(super) const FIRST_OUT: Duration = Duration::from_secs(1);
/// Longest time for which a pod is out.
pub(super) const LONGEST_OUT: Duration = Duration::from_secs(30);

/// The rest must carry what these would.
pub(super) const fn most_out_of(pool: &[PodId]) -> usize {
    pool.len() >> 1
}
