//! Learning the step model from what requests took.
//!
//! A request that decoded `it` steps in `t` seconds, while on average n requests with K tokens of context were on its pod and P
//! prompt tokens were computed there beyond what is free, tells
//!
//! ```text
//! t / it = a + b·n + c·K + d·(P / it)
//! ```
//!
//! Linear in (a, b, c, d), so weighted least squares keeps two sums, `Σ w·x·xᵀ` and `Σ w·x·y`, in which old observations fade:
//! recursive least squares with forgetting. The same equation holds in each cell of a profile, so a profile is read as
//! observations, too.
//!
//! A prior pulls each coefficient towards where it started, with the weight of a few requests: what traffic does not show (c
//! at a load that never changes) stays where it was instead of drifting. The solution is the best one *within bounds* that
//! no server leaves ([`LEAST`], [`MOST`]): coordinate descent, each coordinate clamped.

use serde::{Deserialize, Serialize};

use super::step::StepModel;

/// a, b, c, d.
const TERMS: usize = 4;

type Vector = [f64; TERMS];

/// The units of a, b, c, d in which the sums are kept, so that all are of the order of 1: 25 ms, 30 µs, 0.5 µs, 0.15 ms. They
/// are about those of a 7B model on a GPU of 600 to 900 GB/s, and the start where nothing else is known.
const UNIT_S: Vector = [25e-3, 30e-6, 0.5e-6, 0.15e-3];

/// Bounds in those units: a from 1 ms to 1 s, b up to 3 ms, c up to 50 µs, d from 1 µs to 15 ms.
const LEAST: Vector = [0.04, 0.0, 0.0, 0.007];
const MOST: Vector = [40.0, 100.0, 100.0, 100.0];

/// The prior's weight, in observations.
const PRIOR_WEIGHT: Vector = [0.2, 4.0, 0.2, 0.1];

/// Rounds of coordinate descent; it starts from the last solution, so few do.
const ROUNDS: usize = 32;

/// What one request, or one cell of a profile, shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// n: requests on the pod, on average.
    pub requests: f64,
    /// K: their tokens of context, on average.
    pub context_tokens: f64,
    /// P / it: prompt tokens computed per step, beyond what is free.
    pub prefill_tokens_per_step: f64,
    /// Seconds per step.
    pub step_s: f64,
    /// How much it tells: 1 for an answer of usual length.
    pub weight: f64,
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    matrix: [Vector; TERMS],
    vector: Vector,
}

// === impl Sample ===

impl Sample {
    fn features(&self) -> Vector {
        let [_, b, c, d] = UNIT_S.map(|unit| unit / UNIT_S[0]);
        [1.0, self.requests * b, self.context_tokens * c, self.prefill_tokens_per_step * d]
    }

    /// The weight of so many steps: the more, the less chance is in them; but very many are still one observation of one
    /// load.
    pub(super) fn weight_of(steps: f64) -> f64 {
        (steps / 100.0).min(2.0)
    }

    /// What the model says it should have been.
    pub(super) fn expected_s(&self, model: &StepModel) -> f64 {
        model.step_s(self.requests, self.context_tokens) + model.per_prefill_token_s * self.prefill_tokens_per_step
    }

    /// Whether it is one that a server may produce.
    pub(super) fn is_sane(&self) -> bool {
        [self.requests, self.context_tokens, self.prefill_tokens_per_step, self.weight]
            .iter()
            .all(|value| (0.0..1e9).contains(value))
            && (1e-4..10.0).contains(&self.step_s)
    }
}

// === impl Sums ===

impl Sums {
    /// Adds an observation; those before it fade by `keep`.
    pub(super) fn add(&mut self, sample: &Sample, keep: f64) {
        let features = sample.features();
        let value = sample.step_s / UNIT_S[0];
        for (row, x) in self.matrix.iter_mut().zip(features) {
            for (cell, other) in row.iter_mut().zip(features) {
                *cell = *cell * keep + sample.weight * x * other;
            }
        }
        for (sum, x) in self.vector.iter_mut().zip(features) {
            *sum = *sum * keep + sample.weight * x * value;
        }
    }

    /// The coefficients that fit best, within bounds and not far from `prior` without reason; `from` is where the search
    /// starts.
    pub(super) fn solve(&self, prior: &StepModel, from: &StepModel) -> StepModel {
        let (prior, mut solution) = (scaled(prior), scaled(from));
        for _ in 0..ROUNDS {
            for term in 0..TERMS {
                let (Some(row), Some(sum), Some(weight)) =
                    (self.matrix.get(term), self.vector.get(term), PRIOR_WEIGHT.get(term))
                else {
                    continue;
                };
                let (Some(start), Some(least), Some(most)) = (prior.get(term), LEAST.get(term), MOST.get(term)) else {
                    continue;
                };
                let others: f64 = row
                    .iter()
                    .zip(solution)
                    .enumerate()
                    .filter(|(other, _)| *other != term)
                    .map(|(_, (m, s))| m * s)
                    .sum();
                let own = row.get(term).copied().unwrap_or_default() + weight;
                let best = (sum + weight * start - others) / own;
                if let Some(value) = solution.get_mut(term) {
                    *value = if best.is_finite() { best.clamp(*least, *most) } else { *start };
                }
            }
        }
        unscaled(solution)
    }
}

/// The start where nothing is known.
pub(super) fn generic() -> StepModel {
    unscaled([1.0; TERMS])
}

fn scaled(model: &StepModel) -> Vector {
    let values = [model.base_s, model.per_request_s, model.per_context_token_s, model.per_prefill_token_s];
    std::array::from_fn(|term| values.get(term).zip(UNIT_S.get(term)).map_or(1.0, |(value, unit)| value / unit))
}

fn unscaled(solution: Vector) -> StepModel {
    let [base, per_request, per_context_token, per_prefill_token] = solution;
    let [a, b, c, d] = UNIT_S;
    StepModel {
        base_s: base * a,
        per_request_s: per_request * b,
        per_context_token_s: per_context_token * c,
        per_prefill_token_s: per_prefill_token * d,
    }
}
