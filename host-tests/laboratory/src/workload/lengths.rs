//! Lengths of prompts and answers.

use rand::Rng;
use rand::RngExt as _;
use rand_distr::Distribution;

use crate::lengths::TokenLengths;

/// A distribution of token counts.
#[derive(Clone, Copy, Debug)]
pub enum Lengths {
    /// A clipped log-normal one.
    LogNormal(TokenLengths),
    /// The quantiles at 0, 5, …, 100 %, with straight lines in between: for distributions with several humps.
    Quantiles(&'static [u32; 21]),
}

// === impl Lengths ===

impl Lengths {
    /// Always so many.
    pub const fn fixed(tokens: u32) -> Self {
        Self::log_normal(tokens as f64, 0.0, tokens, tokens)
    }

    /// A clipped log-normal distribution: its median, the standard deviation of the logarithm, and the clips.
    pub const fn log_normal(median: f64, sigma: f64, min: u32, max: u32) -> Self {
        Self::LogNormal(TokenLengths { median, sigma, min, max })
    }
}

impl Distribution<u32> for Lengths {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> u32 {
        match self {
            Self::LogNormal(lengths) => lengths.sample(rng),
            Self::Quantiles(quantiles) => {
                let place = rng.random::<f64>() * (quantiles.len() - 1) as f64;
                let below = place as usize;
                let (from, to) = (f64::from(quantiles[below]), f64::from(quantiles[below + 1]));
                (from + (to - from) * place.fract()).round() as u32
            }
        }
    }
}
