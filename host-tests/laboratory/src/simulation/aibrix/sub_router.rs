//! Choice of a pod within a deployment, by strategy.

use super::judge::Unservable;
use super::rules::Strategy;

/// Load that rounding may leave on an idle pod.
const IDLE: f64 = 1e-9;

/// Reason that no pod is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// None has room now: it passes.
    CapacityReached,
    /// None can ever.
    Unservable(Unservable),
    /// There is none.
    NoPod,
}

/// A pod as a sub-router sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub pod: usize,
    pub utilisation: f64,
    pub capacity: f64,
    /// `true` if it takes any request while it is idle; AIBrix's do not.
    pub open_when_idle: bool,
}

/// The pod of `pods` to go to; `load` is asked anew for each of them. "Capacity reached" outlasts all other failures.
pub(super) fn choose(
    strategy: Strategy,
    pods: impl IntoIterator<Item = Load>,
    mut load: impl FnMut() -> Result<f64, Unservable>,
) -> Result<usize, Failure> {
    let mut best: Option<(usize, f64)> = None;
    let mut failure = Failure::NoPod;
    for Load { pod, utilisation, capacity, open_when_idle } in pods {
        if strategy == Strategy::Push {
            if best.is_none_or(|(_, least)| utilisation <= least) {
                best = Some((pod, utilisation));
            }
            continue;
        }
        match load() {
            Ok(load) if utilisation + load > capacity && !(open_when_idle && utilisation < IDLE) => {
                failure = Failure::CapacityReached
            }
            Ok(load) => {
                let filled = ((utilisation + load) / capacity).min(1.0);
                let better = match strategy {
                    Strategy::Pack => filled > best.map_or(0.0, |(_, most)| most),
                    Strategy::Pull | Strategy::Push => filled <= best.map_or(1.0, |(_, least)| least),
                };
                if better {
                    best = Some((pod, filled));
                }
            }
            Err(_) if failure == Failure::CapacityReached => {}
            Err(unservable) => failure = Failure::Unservable(unservable),
        }
    }
    best.map(|(pod, _)| pod).ok_or(failure)
}
