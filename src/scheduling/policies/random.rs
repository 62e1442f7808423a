//! `random`: uniform over the pods that serve the model and are up.

use super::{Decision, Descriptor, Kind, Pass, Policy, PolicyName, min_at_random, open_to};
use crate::scheduling::request::Request;
use crate::scheduling::view::View;

/// See the module.
pub const RANDOM: PolicyName = PolicyName::of(&Descriptor {
    name: "random",
    summary: "At once, to any pod.",
    kind: Kind::Push,
    needs_profile: false,
    looks_at_runs: false,
    is_fallback: true,
    build: |_| Box::new(Random),
});

struct Random;

impl Policy for Random {
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for request in waiting {
            let choice = min_at_random(open_to(view, request), |_| 0.0, pass.rng)
                .map(|candidate| (candidate.position, candidate.prospect.load));
            if let Some((pod, load)) = choice {
                view.place(pod, load);
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}
