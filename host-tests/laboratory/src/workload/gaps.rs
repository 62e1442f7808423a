//! Gaps between requests.

use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution as _, Exp1, Gamma};

/// The gaps between requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gaps {
    /// A Poisson process.
    Exponential,
    /// Gamma-distributed, with this standard deviation relative to the mean: above 1 requests come in bunches.
    Gamma {
        /// Above 0.
        coefficient_of_variation: f64,
    },
    /// Exponential ones at times, silence at others; how long each lasts is exponential too.
    OnOff {
        /// Mean time with requests.
        on: Duration,
        /// Mean time without.
        off: Duration,
    },
}

// === impl Gaps ===

impl Gaps {
    /// Returns the times at which requests come, seconds from the start, at a mean rate; without
    /// end.
    pub(super) fn times<R: Rng>(self, rate_per_s: f64, rng: &mut R) -> impl Iterator<Item = f64> {
        let mut at_s = 0.0;
        let mut silence_in_s = match self {
            Self::OnOff { .. } => 0.0,
            Self::Exponential | Self::Gamma { .. } => f64::INFINITY,
        };
        std::iter::from_fn(move || {
            let mut gap_s = self.gap_s(rate_per_s, rng);
            if let Self::OnOff { on, off } = self {
                // The process has no memory: what is left of a gap is the same before and after a silence.
                while gap_s > silence_in_s {
                    gap_s -= silence_in_s;
                    at_s += silence_in_s + exponential(off.as_secs_f64(), rng);
                    silence_in_s = exponential(on.as_secs_f64(), rng);
                }
                silence_in_s -= gap_s;
            }
            at_s += gap_s;
            Some(at_s)
        })
    }

    fn gap_s(self, rate_per_s: f64, rng: &mut impl Rng) -> f64 {
        match self {
            Self::Exponential => exponential(rate_per_s.recip(), rng),
            Self::Gamma { coefficient_of_variation } => {
                let variance = coefficient_of_variation.powi(2);
                let gamma = Gamma::new(variance.recip(), variance / rate_per_s);
                gamma.expect("a shape and a scale above 0").sample(rng)
            }
            Self::OnOff { on, off } => {
                let on_share = on.as_secs_f64() / (on + off).as_secs_f64();
                exponential(on_share / rate_per_s, rng)
            }
        }
    }
}

fn exponential(mean: f64, rng: &mut impl Rng) -> f64 {
    let unit: f64 = Exp1.sample(rng);
    mean * unit
}
