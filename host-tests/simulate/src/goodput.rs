//! The arrival rate at which attainment crosses a level.

use std::fmt;

use serde::Serialize;

/// Where a curve of attainment crosses a level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// Below the lowest rate that was tried.
    Below(f64),
    /// Here, by interpolation between two rates.
    At(f64),
    /// Not up to the highest rate that was tried.
    AtLeast(f64),
}

// === impl Crossing ===

impl Crossing {
    /// Where `curve`, points of (rate, attainment) by ascending rate, first falls below `level`. `None` without a point.
    pub fn of(curve: &[(f64, f64)], level: f64) -> Option<Self> {
        let (first, last) = (curve.first()?, curve.last()?);
        if first.1 < level {
            return Some(Self::Below(first.0));
        }
        let falling = curve.windows(2).find_map(|pair| match *pair {
            [(low, kept), (high, missed)] if kept >= level && missed < level => {
                Some(low + (high - low) * (kept - level) / (kept - missed))
            }
            _ => None,
        });
        Some(falling.map_or(Self::AtLeast(last.0), Self::At))
    }
}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(rate) => write!(f, "< {rate}"),
            Self::At(rate) => write!(f, "{rate:.1}"),
            Self::AtLeast(rate) => write!(f, "≥ {rate}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: [(f64, f64); 3] = [(4.0, 1.0), (6.0, 0.96), (8.0, 0.86)];

    #[test]
    fn a_level_is_crossed_between_the_rates_around_it() {
        let Some(Crossing::At(rate)) = Crossing::of(&CURVE, 0.91) else { panic!("inside the curve") };
        assert!((rate - 7.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn what_lies_outside_the_rates_is_a_bound() {
        assert_eq!(Crossing::of(&CURVE[1..], 0.99), Some(Crossing::Below(6.0)));
        assert_eq!(Crossing::of(&CURVE, 0.5), Some(Crossing::AtLeast(8.0)));
        assert_eq!(Crossing::of(&[], 0.5), None);
    }
}
