//! `least-request`: the pod with fewest requests in flight, weighted by what its deployment
//! sustains where a profile says so; one at random among ties.
//!
//! With this request on it, a pod would have (in flight + 1) requests; divided by the rate λ that
//! the profile gives for requests of this shape, that is the time in which the pod works them off.
//! Without a profile every pod weighs 1.

use super::choice::{min_at_random, open_to};
use super::name::{Descriptor, PolicyKind, PolicyName};
use super::policy::{Decision, Policy, Round};
use super::preferences::Preferences;
use crate::scheduling::prefix::PrefixHits;
use crate::scheduling::request::Request;
use crate::scheduling::view::{Candidate, View};

/// See the module.
pub const LEAST_REQUEST: PolicyName = PolicyName::of(&Descriptor {
    name: "least-request",
    summary: "At once, to the pod with fewest requests in flight, relative to its deployment's profiled rate where there is one; at random among equals.",
    kind: PolicyKind::Push,
    needs_profile: false,
    looks_at_runs: false,
    is_fallback: true,
});

/// The share by which a pod's load counts less where it has all of a prompt in its cache: four
/// times as busy as another one, it is left.
const CACHED_WORTH: f64 = 0.75;

struct LeastRequest;

pub(super) fn build(_: Preferences) -> Box<dyn Policy> {
    Box::new(LeastRequest)
}

impl Policy for LeastRequest {
    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision> {
        place(view, waiting, round, |_| true, |_, _| PrefixHits::default())
    }
}

/// Places each request on a pod that `takes` it; one that no pod takes waits. Pods that have a part
/// of its prompt in their caches, as `hits` tells, count as having fewer requests.
pub(super) fn place(
    view: &mut View<'_>,
    waiting: &[&Request],
    round: &mut Round<'_>,
    takes: impl Fn(&Candidate<'_>) -> bool,
    hits: impl Fn(&mut Round<'_>, &Request) -> PrefixHits,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for request in waiting {
        if decisions.len() >= round.most_decisions {
            break;
        }
        let hits = hits(round, request);
        let pods = view.pool().pods();
        let cached_share = |position: usize| {
            let hit = pods.get(position).and_then(|pod| hits.on(pod.id));
            hit.map_or(0.0, |hit| hit.expected_tokens() / f64::from(request.arrival.shape.input_tokens.max(1)))
        };
        // Rates compare only where every deployment has one.
        let weighted = request.prospects.iter().all(|prospect| prospect.rate_per_s.is_some());
        let relative = |candidate: &Candidate<'_>| {
            let requests = f64::from(candidate.state.in_flight) + 1.0;
            let rate_per_s = candidate.prospect.rate_per_s.filter(|_| weighted).unwrap_or(1.0);
            requests / rate_per_s * (1.0 - CACHED_WORTH * cached_share(candidate.position))
        };
        let choice = min_at_random(open_to(view, request).filter(&takes), relative, round.rng);
        if let Some((pod, load)) = choice.map(|candidate| (candidate.position, candidate.prospect.load)) {
            view.place(pod, load);
            decisions.push(Decision { request: request.arrival.id, pod });
        }
    }
    decisions
}
