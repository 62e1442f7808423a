//! Learning the step model from what requests took.
//!
//! A request that decoded `it` steps in `t` seconds, while on average n requests with K tokens of
//! context were on its pod and P prompt tokens were computed there beyond what is free, tells
//!
//! ```text
//! t / it = a + b·n + c·K + d·(P / it)
//! ```
//!
//! Linear in (a, b, c, d), so weighted least squares keeps two sums, `Σ w·x·xᵀ` and `Σ w·x·y`, in
//! which old observations fade: recursive least squares with forgetting. The same equation holds in
//! each cell of a profile, so a profile is read as observations, too.
//!
//! Residuals count relative to the time per step that was expected: 10 % of a slow step tell as
//! much as 10 % of a fast one.
//!
//! A prior pulls each coefficient towards where it started, by a standard deviation that is stated
//! in [`PRIOR_DEVIATION`]. What traffic shows overrides it within some tens of requests. What
//! traffic does not show (requests and context that only ever vary together) is shared out by these
//! deviations instead of drifting: about half of an unexplained slowness is taken to be there at
//! any load, the other half to grow with it. The solution is the best one *within bounds* that no
//! server leaves ([`LEAST`], [`MOST`]): the normal equations are solved exactly, and again without
//! the coefficients that left their bounds. (Descent along the coordinates does not do: requests,
//! context and the constant vary together, and it then stops far from the solution.)

use serde::{Deserialize, Serialize};

use super::step::StepModel;

/// a, b, c, d.
const TERMS: usize = 4;

type Vector = [f64; TERMS];

/// The units of a, b, c, d in which the sums are kept, so that all are of the order of 1: 25 ms,
/// 30 µs, 0.5 µs, 0.15 ms. They are about those of a 7B model on a GPU of 600 to 900 GB/s, and the
/// start where nothing else is known.
const UNIT_S: Vector = [25e-3, 30e-6, 0.5e-6, 0.15e-3];

/// Bounds in those units: a from 1 ms to 10 s, b up to 1 s, c up to 1 ms, d from 1 µs to 1 s. A
/// small model on a large GPU is near the lower ends; llama.cpp on a CPU, where batching gains
/// little, has a b of 50 ms and a d of 20 ms.
const LEAST: Vector = [0.04, 0.0, 0.0, 0.007];
const MOST: Vector = [400.0, 33_000.0, 2_000.0, 6_700.0];

/// Standard deviations of the prior in those units, for steps of up to [`USUAL_STEP`]; of slower
/// servers proportionally larger. That of b is wide: it spans engines for which a request more is
/// free and those that it slows down by milliseconds.
const PRIOR_DEVIATION: Vector = [3.0, 60.0, 6.0, 10.0];

/// A usual step in the unit of a: 50 ms.
const USUAL_STEP: f64 = 2.0;

/// Variance of relative residuals that the prior is weighed against: 14 %.
const RESIDUAL_VARIANCE: f64 = 0.02;

/// PodObservation from one request, or from one cell of a profile.
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
    /// Weight of the observation: 1 for an answer of usual length.
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

    /// The weight of so many steps: the more, the less chance is in them; but very many are still
    /// one observation of one load.
    pub(super) fn weight_of(steps: f64) -> f64 {
        (steps / 100.0).min(2.0)
    }

    /// Returns the time per step by the model.
    pub(super) fn expected_s(&self, model: &StepModel) -> f64 {
        model.step_s(self.requests, self.context_tokens) + model.per_prefill_token_s * self.prefill_tokens_per_step
    }

    /// Returns `true` if it is one that a server may produce.
    pub(super) fn is_sane(&self) -> bool {
        [self.requests, self.context_tokens, self.prefill_tokens_per_step, self.weight]
            .iter()
            .all(|value| (0.0..1e9).contains(value))
            && (1e-4..10.0).contains(&self.step_s)
    }
}

// === impl Sums ===

impl Sums {
    /// Adds an observation of which a step of `expected_s` was expected; those before it fade by
    /// `keep`.
    pub(super) fn add(&mut self, sample: &Sample, expected_s: f64, keep: f64) {
        let scale = expected_s / UNIT_S[0];
        let features = sample.features().map(|feature| feature / scale);
        let value = sample.step_s / expected_s;
        for (row, x) in self.matrix.iter_mut().zip(features) {
            for (cell, other) in row.iter_mut().zip(features) {
                *cell = *cell * keep + sample.weight * x * other;
            }
        }
        for (sum, x) in self.vector.iter_mut().zip(features) {
            *sum = *sum * keep + sample.weight * x * value;
        }
    }

    /// Takes every observation so far to have taken so many times as long, and to have been
    /// expected to.
    pub(super) fn slow_down(&mut self, factor: f64) {
        self.matrix.iter_mut().flatten().for_each(|cell| *cell /= factor * factor);
        self.vector.iter_mut().for_each(|sum| *sum /= factor);
    }

    /// The coefficients that fit best, within bounds and not far from `prior` without reason.
    pub(super) fn solve(&self, prior: &StepModel) -> StepModel {
        let start = scaled(prior);
        let mut matrix = self.matrix;
        let mut vector = self.vector;
        // The mean step that was observed, since features and values are both relative to what was
        // expected.
        let step = self.vector.first().zip(self.matrix[0].first()).map_or(0.0, |(sum, weight)| sum / weight);
        let slowness = (step / USUAL_STEP).max(1.0);
        for (term, row) in matrix.iter_mut().enumerate() {
            let (Some(cell), Some(sum), Some(deviation), Some(start)) =
                (row.get_mut(term), vector.get_mut(term), PRIOR_DEVIATION.get(term), start.get(term))
            else {
                continue;
            };
            let precision = RESIDUAL_VARIANCE / (deviation * slowness).powi(2);
            *cell += precision;
            *sum += precision * start;
        }
        let mut fixed: [Option<f64>; TERMS] = [None; TERMS];
        // Each round fixes a coefficient, so there are at most as many, and one in which all are
        // within bounds.
        for _ in 0..=TERMS {
            let solution = solve_free(&matrix, &vector, &fixed);
            let excess = |(term, value): (usize, f64)| {
                let (least, most) = (LEAST.get(term)?, MOST.get(term)?);
                let bound = if value.is_finite() { value.clamp(*least, *most) } else { *start.get(term)? };
                let by = (value - bound).abs() / PRIOR_DEVIATION.get(term)?;
                (by > 0.0 || by.is_nan()).then_some((term, bound, if by.is_nan() { f64::INFINITY } else { by }))
            };
            let worst =
                solution.into_iter().enumerate().filter_map(excess).max_by(|one, other| one.2.total_cmp(&other.2));
            let Some((term, bound, _)) = worst else { return unscaled(solution) };
            if let Some(fixed) = fixed.get_mut(term) {
                *fixed = Some(bound);
            }
        }
        *prior
    }
}

/// Solves the symmetric equations for the coefficients that are not fixed, by Gauss's elimination;
/// the matrix is positive definite, so the diagonal serves as pivots.
fn solve_free(matrix: &[Vector; TERMS], vector: &Vector, fixed: &[Option<f64>; TERMS]) -> Vector {
    let mut rows: [[f64; TERMS + 1]; TERMS] = [[0.0; TERMS + 1]; TERMS];
    for (term, (row, (cells, sum))) in rows.iter_mut().zip(matrix.iter().zip(vector)).enumerate() {
        let Some(Some(value)) = fixed.get(term) else {
            row.iter_mut().zip(cells).for_each(|(cell, value)| *cell = *value);
            row[TERMS] = *sum;
            continue;
        };
        if let Some(cell) = row.get_mut(term) {
            *cell = 1.0;
        }
        row[TERMS] = *value;
    }
    for pivot in 0..TERMS {
        let Some(by) = rows.get(pivot).copied() else { continue };
        let Some(diagonal) = by.get(pivot).copied() else { continue };
        for (other, row) in rows.iter_mut().enumerate() {
            let factor = row.get(pivot).map_or(0.0, |cell| cell / diagonal);
            if other != pivot {
                row.iter_mut().zip(by).for_each(|(cell, value)| *cell -= factor * value);
            }
        }
    }
    std::array::from_fn(|term| rows.get(term).and_then(|row| Some(row[TERMS] / row.get(term)?)).unwrap_or(f64::NAN))
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
