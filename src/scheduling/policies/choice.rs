//! Choice among pods, for several policies.

use super::name::PolicyKind;
use crate::scheduling::request::Request;
use crate::scheduling::view::{Candidate, View};

/// Returns the pods to which a policy that pushes may put a request: all, unless no profile judges
/// it and the operator gave a limit for that case.
pub(super) fn open_to<'v>(view: &'v View<'_>, request: &'v Request) -> Box<dyn Iterator<Item = Candidate<'v>> + 'v> {
    let is_bounded = request.unjudged.is_some() || request.policy.kind == PolicyKind::Gain;
    if is_bounded { Box::new(view.with_room(request)) } else { Box::new(view.serving(request)) }
}

/// The item with the smallest key; one at random among equals.
pub(super) fn min_at_random<T>(
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> f64,
    rng: &mut fastrand::Rng,
) -> Option<T> {
    let mut best: Option<(f64, T)> = None;
    let mut ties = 0_u32;
    for item in items {
        let value = key(&item);
        match &best {
            Some((smallest, _)) if value > *smallest => {}
            Some((smallest, _)) if value == *smallest => {
                // Reservoir sampling: the k-th of k equals replaces the choice with probability
                // 1/k.
                ties += 1;
                if rng.u32(0..=ties) == 0 {
                    best = Some((value, item));
                }
            }
            _ => {
                ties = 0;
                best = Some((value, item));
            }
        }
    }
    best.map(|(_, item)| item)
}
