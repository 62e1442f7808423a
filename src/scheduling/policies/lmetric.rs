//! `lmetric`: the pod with the least product of new prefill tokens and batch size ("LMetric", arXiv 2603.15202).
//!
//! New prefill tokens are those of the prompts that the pod has not computed yet, this request's included; the batch size is the number
//! of requests on it, likewise. The product needs no weights and no profile. Here no pod's prefix cache is known, so each prompt
//! counts as a whole; an answer that is not streamed counts as prompt until its end.

use super::{Decision, Descriptor, Kind, Pass, Policy, PolicyName, min_at_random, open_to};
use crate::scheduling::request::Request;
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::view::{Candidate, View};

/// See the module.
pub const LMETRIC: PolicyName = PolicyName::of(&Descriptor {
    name: "lmetric",
    summary: "At once, to the pod with the least product of prompt tokens that are still to be computed and requests in flight, its own included (LMetric, arXiv 2603.15202); at random among equals.",
    kind: Kind::Push,
    needs_profile: false,
    looks_at_runs: true,
    is_fallback: false,
    build: |_| Box::new(LMetric),
});

struct LMetric;

impl Policy for LMetric {
    fn pass(&mut self, view: &mut View<'_>, waiting: &[&Request], pass: &mut Pass<'_>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for request in waiting {
            let product = |candidate: &Candidate<'_>| {
                let prefilling = view.runs(candidate.position).iter().filter(|run| !is_decoding(run));
                let tokens: f64 = prefilling.map(|run| f64::from(run.prompt_tokens)).sum();
                let own = f64::from(request.arrival.shape.input_tokens);
                (tokens + own) * (f64::from(candidate.state.in_flight) + 1.0)
            };
            let choice = min_at_random(open_to(view, request), product, pass.rng)
                .map(|candidate| (candidate.position, *candidate.prospect));
            if let Some((pod, prospect)) = choice {
                view.place(pod, prospect.load);
                view.add_run(pod, request.as_run(&prospect, pass.now));
                decisions.push(Decision { request: request.arrival.id, pod });
            }
        }
        decisions
    }
}

fn is_decoding(run: &Run) -> bool {
    matches!(run.progress, Progress::Decoding { .. })
}
