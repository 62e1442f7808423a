//! Capacity of a pod by the step model: the share of it that a request takes, and how long a
//! request takes on a full one.
//!
//! On a pod in a steady state each of n requests stalls all others once, by its prompt, while it
//! makes its o tokens. So the time per output token is
//!
//! ```text
//! τ = a + Σᵢ (b + c·(pᵢ + oᵢ/2) + stall(pᵢ)/oᵢ)
//! ```
//!
//! linear in what runs, whatever mix that is: with T the pace that objectives ask for, a pod is
//! full at τ = T, and a request takes its term's share of T − a. A profile, measured on one shape
//! at a time, says the same only of its own mix.
//!
//! An objective holds for the mean over a request's stay, a capacity at each moment. What is never
//! above T is below it in the mean, and lets requests wait that would be in time; so a pod counts
//! as full a little above, see [`PEAK`].

use super::prompts::ComputedShares;
use super::step::StepModel;
use crate::scheduling::load::Load;
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Slo;

/// Fullness that a pod is taken to have where a request that waits is asked how long it would take:
/// nearly full, since that is how it finds one. Were pods taken to be emptier, requests would still
/// count as in time that are not any more by the time they end, and in overload take the room of
/// all that could be; at 1 whatever waits would count as late at once, and pods be left idle for
/// it.
const USUAL_FULLNESS: f64 = 0.85;

/// Factor by which a full pod holds more than at τ = T. Just below saturation, where it matters, 1
/// keeps two points less, and 1.3 no more.
const PEAK: f64 = 1.15;

/// Load and times of a request on a pod by the step model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// The share of the pod that it takes.
    pub load: Load,
    /// Time that it is expected to take, s.
    pub e2e_s: f64,
    /// Time until its first token, s.
    pub ttft_s: f64,
    /// Highest rate of such requests on a pod, 1/s.
    pub rate_per_s: f64,
}

impl StepModel {
    /// Returns load and times of a request of this shape on such a pod; `None` where the objective
    /// asks for no pace, or for one that not even an idle pod has. `computed`: what prefix caches
    /// leave of prompts.
    pub fn capacity(&self, slo: &Slo, shape: Shape, computed: &ComputedShares) -> Option<Capacity> {
        let output_tokens = f64::from(shape.output_tokens.max(1));
        let input_tokens = f64::from(shape.input_tokens);
        let pace_s = slo.pace(shape)?.as_secs_f64();
        let stall_s = self.stall_s(computed.computed_tokens(input_tokens), 1.0);
        let each_s = self.step_s(1.0, input_tokens + output_tokens / 2.0) - self.base_s + stall_s / output_tokens;
        let concurrency = (pace_s - self.base_s) / each_s;
        let load = Load::of_one_in(PEAK * concurrency)?;
        let usual_pace_s = self.base_s + USUAL_FULLNESS * (pace_s - self.base_s);
        let ttft_s = stall_s + 1.5 * usual_pace_s;
        let e2e_s = ttft_s + (output_tokens - 1.0) * usual_pace_s;
        let rate_per_s = concurrency / (ttft_s + output_tokens * pace_s);
        Some(Capacity { load, e2e_s, ttft_s, rate_per_s })
    }
}
