//! `slo-least-load`: push. The pod with least pending load relative to its deployment's rate, at
//! once, however full.
//!
//! AIBrix tries deployments one by one and stops at the first that has a pod, so a slower GPU type
//! gets no traffic at all. Comparing (pending load + own) / rate over all deployments spreads over
//! them by what they sustain.

use super::choice::{min_at_random, open_to};
use super::name::{Descriptor, PolicyKind, PolicyName};
use super::policy::{Decision, Policy, Round};
use super::preferences::Preferences;
use crate::scheduling::request::Request;
use crate::scheduling::view::{Candidate, View};

/// See the module.
pub const SLO_LEAST_LOAD: PolicyName = PolicyName::of(&Descriptor {
    name: "slo-least-load",
    summary: "At once, to the pod with least pending load relative to its deployment's rate, however full.",
    kind: PolicyKind::Push,
    needs_profile: true,
    looks_at_runs: false,
    is_fallback: false,
});

struct LeastLoad;

pub(super) fn build(_: Preferences) -> Box<dyn Policy> {
    Box::new(LeastLoad)
}

impl Policy for LeastLoad {
    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for request in waiting {
            let relative = |candidate: &Candidate<'_>| {
                let filled = (candidate.state.load + candidate.prospect.load).as_share();
                filled / candidate.prospect.rate_per_s.unwrap_or(1.0)
            };
            let choice = min_at_random(open_to(view, request), relative, round.rng)
                .map(|candidate| (candidate.position, candidate.prospect.load));
            if let Some((pod, load)) = choice {
                view.place(pod, load);
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}
