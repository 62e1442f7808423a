//! `random`: uniform over the pods that serve the model and are up.

use super::choice::{min_at_random, open_to};
use super::name::{Descriptor, PolicyKind, PolicyName};
use super::policy::{Decision, Policy, Round};
use super::preferences::Preferences;
use crate::scheduling::request::Request;
use crate::scheduling::view::View;

/// See the module.
pub const RANDOM: PolicyName = PolicyName::of(&Descriptor {
    name: "random",
    summary: "At once, to any pod.",
    kind: PolicyKind::Push,
    needs_profile: false,
    looks_at_runs: false,
    is_fallback: true,
});

struct Random;

pub(super) fn build(_: Preferences) -> Box<dyn Policy> {
    Box::new(Random)
}

impl Policy for Random {
    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for request in waiting {
            let choice = min_at_random(open_to(view, request), |_| 0.0, round.rng)
                .map(|candidate| (candidate.position, candidate.prospect.load));
            if let Some((pod, load)) = choice {
                view.place(pod, load);
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}
