//! `slo` (= `slo-least-load-pulling`) and `slo-pack-load`: pull. A request is held until a pod has room for it.
//!
//! Deployments are tried from most slack (or from the cheapest that can meet the objective) on: those where the request
//! can still meet its objective, and in any case the one with most slack; so a hopeless one does not fill a slow GPU that
//! could still serve others in time. In a deployment the pod with least (spread) or most (pack) pending load is
//! taken among those that stay within capacity; equals are broken by requests in flight, then at random.

use std::cmp::Ordering;

use super::{Decision, Pass, Policy, Prefer, min_at_random};
use crate::scheduling::request::{Prospect, Request};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Candidate, View};

/// See the module.
pub(super) struct Pull {
    prefer: Prefer,
    fill: Fill,
}

enum Fill {
    Spread,
    Pack,
}

// === impl Pull ===

impl Pull {
    pub(super) fn least_load(prefer: Prefer) -> Self {
        Self { prefer, fill: Fill::Spread }
    }

    pub(super) fn pack_load(prefer: Prefer) -> Self {
        Self { prefer, fill: Fill::Pack }
    }

    fn choose(&self, view: &View<'_>, request: &Request, pass: &mut Pass<'_>) -> Option<usize> {
        let mut prospects: Vec<&Prospect> = request.worth_trying(pass.now).collect();
        prospects.sort_by(|a, b| self.compare(a, b, pass.now));
        prospects.into_iter().find_map(|prospect| {
            let room = view.with_room(request).filter(|candidate| candidate.prospect.deployment == prospect.deployment);
            min_at_random(room, |candidate| self.key(candidate), pass.rng).map(|candidate| candidate.position)
        })
    }

    /// Which of two deployments is tried first.
    fn compare(&self, a: &Prospect, b: &Prospect, now: Instant) -> Ordering {
        let by_slack = b.latest_start.cmp(&a.latest_start);
        match self.prefer {
            Prefer::Slack => by_slack,
            Prefer::Cheapest => {
                b.is_in_time(now).cmp(&a.is_in_time(now)).then(a.cost.total_cmp(&b.cost)).then(by_slack)
            }
        }
    }

    /// Pending load decides; requests in flight, scaled below a millionth of a pod, break ties.
    fn key(&self, candidate: &Candidate<'_>) -> f64 {
        let load = f64::from(candidate.state.load.as_micro());
        let tie = f64::from(candidate.state.in_flight) / (f64::from(u32::MAX) + 1.0);
        match self.fill {
            Fill::Spread => load + tie,
            Fill::Pack => -load + tie,
        }
    }
}

impl Policy for Pull {
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for request in waiting {
            let Some(pod) = self.choose(view, request, pass) else { continue };
            let deployment = view.pool().pods().get(pod).map_or(usize::MAX, |pod| pod.deployment);
            if let Some(prospect) = request.on(deployment) {
                view.place(pod, prospect.load);
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}
