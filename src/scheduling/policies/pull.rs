//! `slo` (= `slo-least-load-pulling`) and `slo-pack-load`: pull. A request is held until a pod has
//! room for it.
//!
//! - **Where.** A request may go to the deployments in which it still meets its objective, and in
//!   any case to the one where it comes nearest; so a hopeless one does not fill a slow GPU that
//!   could still serve others in time.
//! - **Spread** (`slo`): of all their pods with room the one with least pending load relative to
//!   its deployment's rate, own load included, as `slo-least-load` does: what it adds to the time
//!   in which the pod works off all it has. AIBrix fills the deployment with most slack first, and
//!   leaves others idle while its pods are near their limit.
//! - **Pack** (`slo-pack-load`): deployments from most slack (or from the cheapest) on, in a
//!   deployment the pod with *most* pending load that stays at or below [`PACKED_TO`] with it, then
//!   an idle one. Where none is left, it spreads: what waits for a pod to become half empty is late
//!   for nothing.
//! - **Late** requests, which meet no objective any more, are placed only
//!   [where a pod keeps room](crate::scheduling::view::PodState::has_room_for_late). When more
//!   comes than the pods sustain, most of what waits is late; filled with those, pods have no room
//!   for the next that could be in time, which so becomes late in turn, and are slow for those that
//!   run. They wait for a calmer moment, or age and have a pod drained.
//!
//! A profile says what a pod sustains of an engine that takes whatever comes. Slots and a full
//! cache show only in which objectives are kept, so a pod has room for no more requests than were
//! seen to [keep theirs at once](crate::scheduling::view::PodState::sustained), and packing takes
//! the same share of that.
//!
//! Equals are broken by requests in flight, then at random.

use std::cmp::Ordering;

use super::choice::min_at_random;
use super::name::{Descriptor, PolicyKind, PolicyName};
use super::policy::{Decision, Policy, Round};
use super::preferences::{Prefer, Preferences};
use crate::scheduling::load::Load;
use crate::scheduling::request::{Prospect, Request};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Candidate, View};

/// Load to which packing fills a pod before it starts the next. On a full pod the objective is kept
/// by the mean request, so nearly every second one misses it; the emptier, the fewer, and the more
/// pods are in use. This costs some half a point (evaluation/README.md).
const PACKED_TO: Load = Load::from_micro(450_000);

/// Spreads over the pods with room.
pub const SLO: PolicyName = PolicyName::of(&Descriptor {
    name: "slo",
    summary: "Of the deployments where the objective can still be met, and in any case the one that comes nearest to it: the pod with *least* pending load relative to its deployment's rate, among those that have room. No room: it waits. What is late already is placed only where it leaves 0.2 of a pod free.",
    kind: PolicyKind::Pull,
    needs_profile: true,
    looks_at_runs: false,
    is_fallback: false,
});

/// [`SLO`] under the name that AIBrix gives it.
pub const SLO_LEAST_LOAD_PULLING: PolicyName = PolicyName::of(&Descriptor {
    name: "slo-least-load-pulling",
    summary: "`slo` under the name that AIBrix gives it, reported as it was asked for.",
    kind: PolicyKind::Pull,
    needs_profile: true,
    looks_at_runs: false,
    is_fallback: false,
});

/// Packs pods.
pub const SLO_PACK_LOAD: PolicyName = PolicyName::of(&Descriptor {
    name: "slo-pack-load",
    summary: "Of these deployments the one that leaves most slack first, there the pod with *most* pending load that stays at or below 0.45, then an idle one: fills one pod almost half before it starts the next. Where none is left: as `slo`.",
    kind: PolicyKind::Pull,
    needs_profile: true,
    looks_at_runs: false,
    is_fallback: false,
});

struct Pull {
    prefer: Prefer,
    fill: Fill,
}

enum Fill {
    Spread,
    Pack,
}

pub(super) fn spread(Preferences { prefer, .. }: Preferences) -> Box<dyn Policy> {
    Box::new(Pull { prefer, fill: Fill::Spread })
}

pub(super) fn pack(Preferences { prefer, .. }: Preferences) -> Box<dyn Policy> {
    Box::new(Pull { prefer, fill: Fill::Pack })
}

// === impl Pull ===

impl Pull {
    fn choose(&self, view: &View<'_>, request: &Request, round: &mut Round<'_>) -> Option<usize> {
        let mut prospects: Vec<&Prospect> = request.worth_trying(round.now).collect();
        prospects.sort_by(|a, b| self.compare(a, b, round.now));
        let is_late = request.is_late(round.now);
        let room: Vec<Candidate<'_>> = view
            .with_room(request)
            .filter(|candidate| !is_late || candidate.state.has_room_for_late(candidate.prospect.load))
            .collect();
        let on = |prospect: &Prospect| {
            let deployment = prospect.deployment;
            room.iter().filter(move |candidate| candidate.prospect.deployment == deployment)
        };
        let packed = match self.fill {
            Fill::Spread => None,
            Fill::Pack => prospects.iter().find_map(|prospect| {
                let open =
                    on(prospect).filter(|candidate| candidate.state.stays_within(candidate.prospect.load, PACKED_TO));
                min_at_random(open, |candidate| -micro(candidate.state.load) + tie(candidate), round.rng)
            }),
        };
        let chosen = packed.or_else(|| match self.prefer {
            Prefer::Slack => {
                min_at_random(prospects.iter().flat_map(|prospect| on(prospect)), relative_load, round.rng)
            }
            Prefer::Cheapest => {
                prospects.iter().find_map(|prospect| min_at_random(on(prospect), relative_load, round.rng))
            }
        });
        chosen.map(|candidate| candidate.position)
    }

    /// Compares two deployments by the order in which they are tried, where they are tried one by
    /// one.
    fn compare(&self, a: &Prospect, b: &Prospect, now: Instant) -> Ordering {
        let by_slack = b.latest_start.cmp(&a.latest_start);
        match self.prefer {
            Prefer::Slack => by_slack,
            Prefer::Cheapest => {
                b.is_in_time(now).cmp(&a.is_in_time(now)).then(a.cost.total_cmp(&b.cost)).then(by_slack)
            }
        }
    }
}

impl Policy for Pull {
    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for request in waiting {
            if decisions.len() >= round.most_decisions {
                break;
            }
            let Some(pod) = self.choose(view, request, round) else { continue };
            let deployment = view.pool().pods().get(pod).map_or(usize::MAX, |pod| pod.deployment);
            if let Some(prospect) = request.on(deployment) {
                view.place(pod, prospect.load);
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}

/// The pod's pending load with the request on it, relative to its deployment's rate.
fn relative_load(candidate: &&Candidate<'_>) -> f64 {
    let filled = micro(candidate.state.load + candidate.prospect.load) + tie(candidate);
    filled / candidate.prospect.rate_per_s.unwrap_or(1.0)
}

fn micro(load: Load) -> f64 {
    f64::from(load.as_micro())
}

/// Requests in flight, scaled below a millionth of a pod: they break ties of load.
fn tie(candidate: &Candidate<'_>) -> f64 {
    f64::from(candidate.state.in_flight) / (f64::from(u32::MAX) + 1.0)
}
