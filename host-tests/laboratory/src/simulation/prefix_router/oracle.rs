//! An oracle: it knows what each engine's cache holds at this moment, what its iterations take, and
//! how long answers will be, and sends a request where it adds the least time to all together.
//!
//! With `n` requests on a pod, `t` its time per token of prompt that is computed (attention left out)
//! and `d` the time by which one request more stretches an iteration, a request of which `u` tokens
//! are not cached and `o` are to be answered costs
//!
//! ```text
//! (tokens that the pod has yet to compute + u) · t     its own first token
//! + n · (u · t + o · d)                                the delay of those that run there
//! + o · (duration of an iteration with it)             its own further tokens
//! ```
//!
//! A prompt that was sent to the pod and is not computed yet counts as cached: prompts are computed
//! in the order in which they come. It looks at one request at a time: it keeps no room for those to
//! come, and it knows no objectives.

use super::{Pod, Rating, Request, Rule};
use crate::engine::BLOCK_TOKENS;

/// See the module.
#[derive(Debug)]
pub(super) struct Oracle;

impl Rule for Oracle {
    fn rate(&mut self, request: &Request, pods: &[Pod<'_>]) -> Vec<Rating> {
        pods.iter().map(|pod| rate(request, pod)).collect()
    }
}

fn rate(request: &Request, pod: &Pod<'_>) -> Rating {
    let costs = &pod.status.iteration_costs;
    let cached_tokens = cached_tokens(request, pod);
    let computed_s = costs.per_computed_token_s * f64::from(request.prompt.tokens.saturating_sub(cached_tokens));
    let backlog_s = costs.per_computed_token_s * pod.uncached_tokens() as f64;
    let output_tokens = f64::from(request.output_tokens);
    let stretched_s = |prompt_tokens: u32| costs.per_sequence_s + costs.per_context_token_s * f64::from(prompt_tokens);
    let added_s = stretched_s(request.prompt.tokens);
    let running_s: f64 = pod.flights.iter().map(|flight| stretched_s(flight.request.prompt.tokens)).sum();
    let iteration_s = costs.fixed_s + costs.weights_s + running_s + added_s;
    let others_s = pod.flights.len() as f64 * (computed_s + output_tokens * added_s);
    Rating { cost: backlog_s + computed_s + others_s + output_tokens * iteration_s, cached_tokens }
}

/// Tokens of the prompt that will be in the pod's cache when it starts on it.
fn cached_tokens(request: &Request, pod: &Pod<'_>) -> u32 {
    let shared = |other: &Request| {
        let blocks = request.blocks(BLOCK_TOKENS).zip(other.blocks(BLOCK_TOKENS));
        blocks.take_while(|(own, other)| own == other).count() as u32 * BLOCK_TOKENS
    };
    let pending = pod.prefilling().map(|flight| shared(&flight.request)).max();
    pod.status.cached_tokens.max(pending.unwrap_or(0))
}
