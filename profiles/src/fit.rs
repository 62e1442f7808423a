//! The rate at which a share of the requests keeps an SLO, from points at several rates.
//!
//! The share falls with the rate as a logistic curve of the rate's logarithm: logit P = b (ln λ − ln r). Every point near λ
//! tells something of it, which makes a few short points worth as much as one long one, and a lucky point costs little. λ
//! and its uncertainty are the mean and the standard deviation over a grid of slopes b, each weighted by how well it
//! explains the points (a flat prior over ln λ, a wide log-normal one over b).

/// A point: how many kept the SLO, of how many *independent* ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Requests per second.
    pub rate_per_s: f64,
    /// Number of those that kept it.
    pub kept: f64,
    /// Of how many.
    pub of: f64,
}

/// Rate at which the curve crosses a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// Requests per second.
    pub rate_per_s: f64,
    /// Standard deviation of its logarithm: 0.05 is five per cent.
    pub deviation: f64,
}

/// Slopes from "hardly falls" to "a step": b = 2 falls from 90 % to 50 % when the rate triples, b = 100 within 2 %.
const SLOPES: usize = 48;
const SLOPE_MIN: f64 = 2.0;
const SLOPE_MAX: f64 = 200.0;
/// The prior over ln b.
const SLOPE_TYPICAL: f64 = 12.0;
const SLOPE_SPREAD: f64 = 1.2;
/// Samples further from the crossing than this factor say nothing of it: the curve is no logistic over decades.
const NEAR: f64 = 2.5;

/// Share at another rate by a curve of typical slope that crosses `share` at `crossing_per_s`.
pub fn expected_share(rate_per_s: f64, crossing_per_s: f64, share: f64) -> f64 {
    let logit = SLOPE_TYPICAL * (crossing_per_s / rate_per_s).ln() + (share / (1.0 - share)).ln();
    (1.0 + (-logit).exp()).recip()
}

/// Rate at which these samples' curve crosses the share; `None` unless there are samples on both sides of it.
pub fn crossing(samples: &[Sample], share: f64) -> Option<Crossing> {
    let first = fitted(samples, share)?;
    let near = |sample: &&Sample| (sample.rate_per_s / first.rate_per_s).ln().abs() < NEAR.ln();
    let near: Vec<Sample> = samples.iter().filter(near).copied().collect();
    fitted(&near, share).or(Some(first))
}

fn fitted(samples: &[Sample], share: f64) -> Option<Crossing> {
    let is_above = |sample: &Sample| sample.kept / sample.of >= share;
    if samples.iter().all(is_above) || !samples.iter().any(is_above) {
        return None;
    }
    let offset = (share / (1.0 - share)).ln();
    let slopes = (0..SLOPES).map(|step| {
        let along = step as f64 / (SLOPES - 1) as f64;
        SLOPE_MIN * (SLOPE_MAX / SLOPE_MIN).powf(along)
    });
    let fits: Vec<(f64, f64, f64)> = slopes.map(|slope| at_slope(samples, slope, offset)).collect();
    let best = fits.iter().map(|fit| fit.2).max_by(f64::total_cmp)?;
    let weights: Vec<f64> = fits.iter().map(|fit| (fit.2 - best).exp()).collect();
    let total: f64 = weights.iter().sum();
    let over = |value: &dyn Fn(&(f64, f64, f64)) -> f64| {
        fits.iter().zip(&weights).map(|(fit, weight)| value(fit) * weight).sum::<f64>() / total
    };
    let mean = over(&|fit| fit.0);
    let variance = over(&|fit| fit.1 + (fit.0 - mean).powi(2));
    Some(Crossing { rate_per_s: mean.exp(), deviation: variance.sqrt() })
}

/// For one slope: the most likely ln λ, its variance, and the logarithm of the likelihood with the prior.
fn at_slope(samples: &[Sample], slope: f64, offset: f64) -> (f64, f64, f64) {
    let rates = || samples.iter().map(|sample| sample.rate_per_s.ln());
    let (mut low, mut high) =
        (rates().fold(f64::INFINITY, f64::min) - 2.0, rates().fold(f64::NEG_INFINITY, f64::max) + 2.0);
    // The derivative falls strictly, so its zero is found by bisection, whatever the samples.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if derivative(samples, slope, offset, middle).0 > 0.0 { low = middle } else { high = middle }
    }
    let crossing = (low + high) / 2.0;
    let (_, information, likelihood) = derivative(samples, slope, offset, crossing);
    let prior = ((slope / SLOPE_TYPICAL).ln() / SLOPE_SPREAD).powi(2) / 2.0;
    (crossing, information.max(1e-9).recip(), likelihood - information.max(1e-9).ln() / 2.0 - prior)
}

/// The first derivative of the log-likelihood by ln λ, the information (the negative second), and the likelihood.
fn derivative(samples: &[Sample], slope: f64, offset: f64, crossing: f64) -> (f64, f64, f64) {
    samples.iter().fold((0.0, 0.0, 0.0), |(first, information, likelihood), sample| {
        let logit = (slope * (crossing - sample.rate_per_s.ln()) + offset).clamp(-30.0, 30.0);
        let p = 1.0 / (1.0 + (-logit).exp());
        let missed = sample.of - sample.kept;
        (
            first + slope * (sample.kept - sample.of * p),
            information + slope * slope * sample.of * p * (1.0 - p),
            likelihood + sample.kept * p.ln() + missed * (1.0 - p).ln(),
        )
    })
}

/// The value at a rate, from points near it: the line through their logarithms, weighted by how near they are and how much
/// they measured. `None` without a point.
pub fn at_rate(rate_per_s: f64, points: impl Iterator<Item = (f64, f64, f64)>) -> Option<f64> {
    let points: Vec<(f64, f64, f64)> = points
        .filter(|(_, value, weight)| *value > 0.0 && *weight > 0.0)
        .map(|(rate, value, weight)| {
            let x = (rate / rate_per_s).ln();
            (x, value.ln(), weight * (-(x / BANDWIDTH).powi(2) / 2.0).exp())
        })
        .collect();
    let total: f64 = points.iter().map(|(_, _, weight)| weight).sum();
    if total <= 0.0 {
        return points.iter().min_by(|one, other| one.0.abs().total_cmp(&other.0.abs())).map(|(_, y, _)| y.exp());
    }
    let mean = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(|point| of(point) * point.2).sum::<f64>() / total;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y, weight)| weight * (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _, weight)| weight * (x - mean_x).powi(2)).sum();
    // A shrunk slope: two points at nearly the same rate say nothing of it. What is asked for rises with the load.
    let slope = (covariance / (variance + total * BANDWIDTH.powi(2) * SHRINKAGE)).max(0.0);
    Some((mean_y - slope * mean_x).exp())
}

/// Distance within which a point has to be, as the logarithm of a ratio of rates.
const BANDWIDTH: f64 = 0.12;
const SHRINKAGE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of a curve that crosses 90 % at 10/s.
    fn samples(slope: f64, rates: &[f64], of: f64) -> Vec<Sample> {
        let share = |rate: f64| 1.0 / (1.0 + (-(slope * (10.0 / rate).ln() + 9.0_f64.ln())).exp());
        rates.iter().map(|rate| Sample { rate_per_s: *rate, kept: of * share(*rate), of }).collect()
    }

    #[test]
    fn a_curve_is_found_again_whatever_its_slope() {
        for slope in [4.0, 12.0, 60.0] {
            let found = crossing(&samples(slope, &[6.0, 8.0, 9.0, 10.5, 11.0, 14.0], 500.0), 0.9).unwrap();
            assert!((found.rate_per_s / 10.0 - 1.0).abs() < 0.03, "{slope}: {found:?}");
        }
    }

    #[test]
    fn more_requests_make_it_surer() {
        let deviation = |of| crossing(&samples(8.0, &[8.0, 10.0, 12.0], of), 0.9).unwrap().deviation;
        assert!(deviation(1_000.0) < deviation(50.0) / 2.0);
    }

    #[test]
    fn there_is_no_crossing_on_one_side() {
        assert_eq!(crossing(&samples(8.0, &[2.0, 4.0], 100.0), 0.9), None);
        assert_eq!(crossing(&samples(8.0, &[20.0, 40.0], 100.0), 0.9), None);
    }

    #[test]
    fn a_value_lies_on_the_line_through_its_neighbours() {
        let value = at_rate(10.0, [(9.0, 0.9, 100.0), (11.0, 1.1, 100.0), (40.0, 50.0, 100.0)].into_iter()).unwrap();
        assert!((value - 1.0).abs() < 0.02, "{value}");
        assert_eq!(at_rate(10.0, std::iter::empty()), None);
    }
}
