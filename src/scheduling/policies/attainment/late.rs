//! Requests that will miss their objectives: the worth of serving them soon, and what it may cost
//! the others.
//!
//! A request that has missed its objectives gains nothing in attainment, wherever it goes. If that
//! were all, it would be starved while load lasts, and be late by a minute where a second would
//! have done. So an answer is worth less with each second that it is late:
//!
//! ```text
//! utility(lateness) = 1                        kept
//!                     −cost · lateness         missed by so many seconds
//! ```
//!
//! Waiting tells how long a request will wait: what waited for L seconds in vain is expected to
//! wait for as long again (the hazard of a queue whose load is not known falls as 1/L). So what
//! serving it now is worth, against going on waiting, is `cost · L`, and a request goes when that
//! is more than what it takes from those that it runs beside. Every second makes it more, so each
//! is served in the end.
//!
//! # Budget
//!
//! Beyond saturation nearly all are late sooner or later, and serving all of them soon is serving
//! none in time. What the late ones take is therefore bounded by a budget: each objective that is
//! expected to be kept adds a share of itself, and a late request that is placed spends what it
//! costs. It costs what those beside it lose, and, unless its pod would still serve a newcomer
//! well, at least [`LEAST_PRICE`]: it takes room from those that come next. So attainment falls by
//! at most the budget's share; where that does not serve all that is late, the rest waits for calm
//! moments, in which serving it costs nothing, or for `queue.max_wait`.

use super::outlook::Effect;
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;

/// The least that a late request costs on a pod that would not serve a newcomer well, in kept
/// objectives.
const LEAST_PRICE: f64 = 0.3;
/// The most that the budget holds, in kept objectives: what a burst leaves behind is worked off
/// from it.
const MOST_CREDIT: f64 = 10.0;
/// By so much sums may be off.
const ROUNDING: f64 = 1e-9;
/// Worth of serving a request that is late at all, in kept objectives.
const LEAST_WORTH: f64 = 0.1;

/// Weight of lateness. From the configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lateness {
    /// Cost of a second of it, in kept objectives.
    pub cost_per_s: f64,
    /// The share of kept objectives that may be given up to serve late requests sooner.
    pub budget: f64,
}

/// Budget of what late requests may still cost others, in kept objectives.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    lateness: Lateness,
    credit: f64,
    /// Changes by the decisions of one moment, if their requests are placed. Another worker may
    /// take the room first, and then they come to nothing and are made again: a decision alone must
    /// neither save nor spend.
    pending: Vec<(RequestId, f64)>,
    decided_at: Instant,
}

// === impl Lateness ===

impl Default for Lateness {
    fn default() -> Self {
        Self { cost_per_s: 0.3, budget: 0.01 }
    }
}

impl Lateness {
    /// Returns the worth of placing a request now, which has waited for so long, beyond the
    /// objectives that it may keep.
    pub(super) fn worth(&self, effect: &Effect, waited_s: f64) -> f64 {
        let late_s = effect.lateness_s.min(waited_s);
        if late_s <= 0.0 {
            return 0.0;
        }
        effect.weight * (1.0 - effect.keeps) * (LEAST_WORTH + self.cost_per_s * late_s)
    }
}

// === impl Budget ===

impl Budget {
    /// With nothing saved yet.
    pub(super) fn new(lateness: Lateness) -> Self {
        Self { lateness, credit: 0.0, pending: Vec::new(), decided_at: Instant::ZERO }
    }

    /// Begins decisions at `now`; what was decided at another moment, and not placed then, came to
    /// nothing.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.decided_at != now {
            self.pending.clear();
            self.decided_at = now;
        }
    }

    /// Returns the weight of lateness.
    pub(super) fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// The price of placing a request that would not be placed for its own objectives. `at_best`:
    /// the probability that one like it, that just came, keeps them on an idle pod; `serves_well`:
    /// whether its pod would serve such a newcomer well, and those there lose little.
    pub(super) fn price(effect: &Effect, at_best: f64, serves_well: bool) -> f64 {
        if serves_well {
            return 0.0;
        }
        (effect.loss - effect.weight * effect.keeps).max(LEAST_PRICE * effect.weight * at_best)
    }

    /// Returns `true` if there is so much left. Sums of the same shares come to just about the same
    /// prices, so a last digit must not decide.
    pub(super) fn affords(&self, price: f64) -> bool {
        let left = self.pending.iter().map(|(_, change)| change).sum::<f64>() + self.credit;
        price <= left.max(0.0) + ROUNDING
    }

    /// Notes a decision that spends so much, in place of an earlier one on the same request.
    pub(super) fn decided(&mut self, request: RequestId, effect: &Effect, price: f64) {
        let saved = self.lateness.budget * effect.weight * effect.keeps;
        self.pending.retain(|(other, _)| *other != request);
        self.pending.push((request, saved - price));
    }

    /// A request was placed as it was decided.
    pub(super) fn placed(&mut self, request: RequestId) {
        if let Some(position) = self.pending.iter().position(|(other, _)| *other == request) {
            let (_, change) = self.pending.swap_remove(position);
            self.credit = (self.credit + change).min(MOST_CREDIT);
        }
    }
}
