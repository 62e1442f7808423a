//! Tracking of what runs on pods, on which rests what is learned of their speeds.

use super::Occupancy;
use crate::scheduling::latency_model::{LatencyModels, StepModel};
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// Requests and pods after which a look at what runs goes on another time.
const WATCHED_RUNS: usize = 300;

/// Computes a pod's occupancy, its step model, and the share of time in which prompts stall it.
pub(crate) fn reckon(
    view: &View<'_>,
    position: usize,
    latency_models: &mut LatencyModels,
    now: Instant,
) -> Option<(Occupancy, StepModel, f64)> {
    let pod = view.pool().pods().get(position)?;
    let deployment = view.pool().deployments().get(pod.deployment)?.id;
    let latency_model = latency_models.of(deployment)?;
    let model = latency_model.model_of(pod.id);
    let in_flight = view.state(position).in_flight;
    let occupancy = Occupancy::reckon(view.runs(position), in_flight, &model, now);
    let stalled_share = latency_models.see(pod.id, occupancy.levels(&model), now);
    Some((occupancy, model, stalled_share))
}

/// Looks at what runs on pods, so that what is learned of their speeds rests on it, whatever policy
/// places requests: from the one at `first` on, on so many as a call may take. Says at which to go
/// on; the first, once it has come around.
pub fn watch(view: &View<'_>, first: usize, latency_models: &mut LatencyModels, now: Instant) -> usize {
    let pods = view.pool().pods().len();
    let mut runs = 0_usize;
    for position in first..pods {
        if runs >= WATCHED_RUNS {
            return position;
        }
        reckon(view, position, latency_models, now);
        runs = runs.saturating_add(view.runs(position).len()).saturating_add(1);
    }
    0
}
