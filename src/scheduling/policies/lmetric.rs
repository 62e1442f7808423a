//! `lmetric`: the pod with the least product of new prefill tokens and batch size ("LMetric", arXiv
//! 2603.15202).
//!
//! New prefill tokens are those of the prompts that the pod has not computed yet, this request's
//! included; the batch size is the number of requests on it, likewise. The product needs no weights
//! and no profile. Tokens that are expected in a pod's prefix cache count nothing; an answer that
//! is not streamed counts as prompt until its end.

use super::choice::{min_at_random, open_to};
use super::name::{Descriptor, PolicyKind, PolicyName};
use super::policy::{Decision, Policy, Round};
use super::preferences::Preferences;
use crate::scheduling::prefix::PrefixHit;
use crate::scheduling::request::Request;
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::view::{Candidate, View};

/// See the module.
pub const LMETRIC: PolicyName = PolicyName::of(&Descriptor {
    name: "lmetric",
    summary: "At once, to the pod with the least product of prompt tokens that are still to be computed and requests in flight, its own included (LMetric, arXiv 2603.15202); at random among equals.",
    kind: PolicyKind::Push,
    needs_profile: false,
    looks_at_runs: true,
    is_fallback: false,
});

struct LMetric;

pub(super) fn build(_: Preferences) -> Box<dyn Policy> {
    Box::new(LMetric)
}

impl Policy for LMetric {
    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision> {
        // Added up once: a pod's runs would be looked at for each request else.
        let mut new_tokens: Vec<f64> =
            (0..view.pool().pods().len()).map(|position| new_prompt_tokens(view.runs(position))).collect();
        let mut decisions = Vec::new();
        for request in waiting {
            let hits = round.hits(request);
            let pods = view.pool().pods();
            let own = |position: usize| {
                let hit = pods.get(position).and_then(|pod| hits.on(pod.id));
                f64::from(request.arrival.shape.input_tokens) - hit.map_or(0.0, PrefixHit::expected_tokens)
            };
            let product = |candidate: &Candidate<'_>| {
                let tokens = new_tokens.get(candidate.position).copied().unwrap_or_default();
                (tokens + own(candidate.position)) * (f64::from(candidate.state.in_flight) + 1.0)
            };
            let choice = min_at_random(open_to(view, request), product, round.rng)
                .map(|candidate| (candidate.position, candidate.prospect.load));
            if let Some((pod, load)) = choice {
                view.place(pod, load);
                if let Some(tokens) = new_tokens.get_mut(pod) {
                    *tokens += own(pod);
                }
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}

/// Returns the tokens of the prompts that are still to be computed.
fn new_prompt_tokens(runs: &[Run]) -> f64 {
    let prefilling = runs.iter().filter(|run| !matches!(run.progress, Progress::Decoding { .. }));
    prefilling.map(|run| run.computed_tokens).sum()
}
