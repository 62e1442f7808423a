//! Upper bound on any policy's attainment, from the least time that the engine's iterations take.
//!
//! It holds for plain servers (`max` of a memory and a compute time per iteration) and objectives that grow with the
//! output: end to end within `M + T · o` for o output tokens, or a mean of T between tokens. It is for a gateway that knows all
//! arrivals beforehand, splits requests between pods at will, and drops those that it will not keep at no cost.
//!
//! **One pod.** Only requests that keep their objective count; others in the batch make iterations longer. An iteration takes
//! `t ≥ a + m` with `a = fixed + weights` and m the sum, over the requests that decode in it, of `e_i = per_sequence +
//! per_context_token · p_i` (p prompt tokens; that the context grows is left out), and `t ≥ x` with x the time to compute the prompt tokens in
//! it. A kept request decodes in o − 1 iterations, which take at most `M + T · o − (what its prompt takes)` together. So, weighing
//! each by its e_i, `Σ m (t − T) ≤ Σ e_i δ_i` with `δ_i = max(0, M + T − prompt time)`, 0 where a mean between tokens is asked.
//!
//! With `C = 1 − a/T` and `λ = a / (T (T − a))`, over all m from 0 to t − a,
//!
//! ```text
//! m − C t − λ m (t − T) ≤ −h(t),   h(t) = λ (t − T)² from T to T²/a, C t beyond, 0 before
//! ```
//!
//! (it is linear in m, so one of the ends is the largest). Since h grows, h(x) may stand for h(t): what the prompts of an iteration
//! delay. A prompt is computed at once, or else the iteration is full, where h is C per second of x. So the least that a prompt
//! of x seconds adds is the lesser of computing it at once and of any part of it in full iterations: `h*(x) = h(x)` up to `x* = T + C/(2λ)`, from
//! there on with slope C. It is convex, so prompts that share an iteration add no less. Summing over a pod's time, per second of it,
//!
//! ```text
//! Σ over kept requests of  w_i ≤ C,   w_i = e_i (o − 1) + h*(x_i) − λ e_i δ_i
//! ```
//!
//! **All pods.** That is a fractional knapsack with a capacity per GPU type. By duality, any prices π ≥ 0 bound its value:
//! `N ≤ Σ π_g C_g + Σ_i max(0, 1 − min_g π_g w_ig)`; prices are searched for the least. A request that even an idle pod of a type
//! serves too late cannot be kept there. A pod's time is the window's and what the latest objective adds to it.

use std::collections::BTreeMap;

use slo_router::scheduling::slo::Slo;

use crate::engine::IterationCosts;
use crate::simulation::scenario::{Cluster, Demand, Hardware};
use crate::simulation::usage::Window;

/// Rounds of the search for prices, and the factor of a step in the first; it shrinks to its root from round to round.
const ROUNDS: u32 = 12;
const STEP: f64 = 4.0;

/// Pods of one type.
struct Type {
    costs: IterationCosts,
    pods: f64,
}

/// An objective `end ≤ base + per_token · output`, or (without a base) `per_token` between tokens.
#[derive(Clone, Copy)]
struct Objective {
    base_s: Option<f64>,
    per_token_s: f64,
}

/// The largest share of the requests that arrive in the window whose objectives `cluster` can keep. `None` where the bound
/// does not hold: another kind of server, another kind of objective.
pub fn attainment(cluster: &Cluster, demands: &[Demand], window: Window) -> Option<f64> {
    let mut counts: BTreeMap<&str, (Hardware, f64)> = BTreeMap::new();
    for pod in &cluster.pods {
        counts.entry(pod.hardware.name()).or_insert((pod.hardware, 0.0)).1 += 1.0;
    }
    let of =
        |(hardware, pods): (Hardware, f64)| Some(Type { costs: hardware.spec(cluster.model)?.iteration_costs(), pods });
    let types: Vec<Type> = counts.into_values().map(of).collect::<Option<_>>().filter(|_| cluster.is_plain())?;
    let measured = demands.iter().filter(|demand| window.contains(demand.arrival.at));
    let requests: Vec<(&Demand, Objective)> =
        measured.map(|demand| Some((demand, Objective::of(&demand.slo)?))).collect::<Option<_>>()?;
    let per_token_s = requests.iter().map(|(_, objective)| objective.per_token_s).fold(0.0, f64::max);
    let latest = |(demand, objective): &(&Demand, Objective)| objective.target_s(demand.arrival.output_tokens);
    let span_s = window.seconds() + requests.iter().map(latest).fold(0.0, f64::max);
    let capacities: Vec<f64> = types.iter().map(|of| of.capacity(per_token_s) * of.pods * span_s).collect();
    let weights_of = |(demand, objective): &(&Demand, Objective)| -> Vec<f64> {
        types.iter().map(|of| of.weight(per_token_s, demand, *objective)).collect()
    };
    let weights: Vec<Vec<f64>> = requests.iter().map(weights_of).collect();
    Some((least_dual(&capacities, &weights) / requests.len().max(1) as f64).min(1.0))
}

/// The least `Σ π C + Σ max(0, 1 − min π w)` that the search finds.
fn least_dual(capacities: &[f64], weights: &[Vec<f64>]) -> f64 {
    let value = |prices: &[f64]| {
        let won = |of: &Vec<f64>| {
            let cheapest = of.iter().zip(prices).map(|(weight, price)| weight * price).fold(f64::INFINITY, f64::min);
            (1.0 - cheapest).max(0.0)
        };
        let paid: f64 = capacities.iter().zip(prices).map(|(capacity, price)| capacity * price).sum();
        paid + weights.iter().map(won).sum::<f64>()
    };
    let mut prices = vec![1.0; capacities.len()];
    let mut least = value(&prices).min(value(&vec![0.0; capacities.len()]));
    for round in 0..ROUNDS {
        let step = STEP.powf(0.5_f64.powi(round as i32 / 2));
        let mut improved = true;
        while improved {
            improved = false;
            for position in 0..prices.len() {
                for factor in [step, 1.0 / step] {
                    let mut tried = prices.clone();
                    tried[position] *= factor;
                    let found = value(&tried);
                    if found < least * (1.0 - 1e-9) {
                        (least, prices, improved) = (found, tried, true);
                    }
                }
            }
        }
    }
    least
}

// === impl Objective ===

impl Objective {
    fn of(slo: &Slo) -> Option<Self> {
        let base_s = slo.e2e_base.unwrap_or_default().as_secs_f64();
        let end = slo.e2e_per_output_token.map(|per_token| (Some(base_s), per_token));
        let (base_s, per_token) = end.or_else(|| slo.tpot.map(|per_token| (None, per_token)))?;
        Some(Self { base_s, per_token_s: per_token.as_secs_f64() })
    }

    /// Until when it can end, seconds from its arrival; a mean between tokens leaves its first token any time, of which a minute
    /// is more than any gateway lets it wait.
    fn target_s(&self, output_tokens: u32) -> f64 {
        self.base_s.unwrap_or(60.0) + self.per_token_s * f64::from(output_tokens)
    }
}

// === impl Type ===

impl Type {
    /// `C`; 0 where even an iteration of one request takes too long.
    fn capacity(&self, per_token_s: f64) -> f64 {
        (1.0 - self.floor_s() / per_token_s).max(0.0)
    }

    /// `a`.
    fn floor_s(&self) -> f64 {
        self.costs.fixed_s + self.costs.weights_s
    }

    /// `w`; infinite where even an idle pod is too slow.
    fn weight(&self, per_token_s: f64, demand: &Demand, objective: Objective) -> f64 {
        let IterationCosts { per_sequence_s, per_context_token_s, per_computed_token_s, fixed_s, .. } = self.costs;
        let (prompt, output) = (f64::from(demand.arrival.prompt_tokens), demand.arrival.output_tokens);
        let (floor_s, prompt_s) = (self.floor_s(), per_computed_token_s * prompt);
        let decoded = f64::from(output.saturating_sub(1));
        let each_s = per_sequence_s + per_context_token_s * prompt;
        let first_s = floor_s.max(fixed_s + prompt_s);
        let needed_s = decoded * (floor_s + each_s) + objective.base_s.map_or(0.0, |_| first_s);
        let allowed_s = match objective.base_s {
            Some(base_s) => base_s + objective.per_token_s * f64::from(output),
            None => objective.per_token_s * decoded,
        };
        if needed_s > allowed_s || per_token_s <= floor_s {
            return f64::INFINITY;
        }
        let left_s = objective.base_s.map_or(0.0, |base_s| (base_s + per_token_s - first_s).max(0.0));
        each_s * decoded + self.delay_s(per_token_s, prompt_s) - self.lambda_per_s(per_token_s) * each_s * left_s
    }

    /// `λ`.
    fn lambda_per_s(&self, per_token_s: f64) -> f64 {
        self.floor_s() / (per_token_s * (per_token_s - self.floor_s()))
    }

    /// `h*` of a prompt that takes so long to compute.
    fn delay_s(&self, per_token_s: f64, prompt_s: f64) -> f64 {
        let (capacity, lambda_per_s) = (self.capacity(per_token_s), self.lambda_per_s(per_token_s));
        let kink_s = per_token_s + capacity / (2.0 * lambda_per_s);
        let alone_s = lambda_per_s * (prompt_s.min(kink_s) - per_token_s).max(0.0).powi(2);
        alone_s + capacity * (prompt_s - kink_s).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::simulation::scenario::Scenario;

    const WINDOW: Window = Window { from: Duration::ZERO, to: Duration::from_secs(600) };

    fn bound(name: &str, rate_per_s: f64) -> f64 {
        let scenario = Scenario::named(name).unwrap();
        attainment(&scenario.cluster, &scenario.demands(rate_per_s, WINDOW.to, 1), WINDOW).unwrap()
    }

    #[test]
    fn more_load_is_kept_to_a_smaller_share_and_none_beyond_what_the_pods_can_do() {
        let [low, high, absurd] = [1.0, 20.0, 200.0].map(|rate| bound("seed-a", rate));
        assert!(low > 0.98 && low >= high && high > absurd && absurd < 0.5, "{low} {high} {absurd}");
    }

    #[test]
    fn a_looser_objective_has_a_higher_bound() {
        assert!(bound("seed-c", 30.0) > bound("seed-a", 30.0));
    }

    #[test]
    fn there_is_none_for_other_servers_and_other_objectives() {
        let scenario = Scenario::named("seed-e2e").unwrap();
        let demands = scenario.demands(1.0, WINDOW.to, 1);
        assert_eq!(attainment(&scenario.cluster, &demands, WINDOW), None);
        let scenario = Scenario::named("seed-a").unwrap();
        let demands = scenario.demands(1.0, WINDOW.to, 1);
        let other = scenario
            .cluster
            .clone()
            .served_by("said to be special", crate::simulation::scenario::batching(scenario.cluster.model));
        assert_eq!(attainment(&other, &demands, WINDOW), None);
    }
}
