//! Certainty of a share that was counted.

/// Standard deviations of 90 % confidence, both sides.
pub const Z_90: f64 = 1.645;
/// Requests share their fate with those that are in flight with them: their correlation is looked at over so many times
/// their number.
const MEMORY: f64 = 2.0;
/// Shares nearer to 0 or 1 than this are taken for this, when it comes to their variance.
const EXTREME: f64 = 0.02;

/// A share, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// 0 to 1.
    pub share: f64,
    /// Of the share.
    pub variance: f64,
}

/// The mean of these, the requests of a window in the order of their arrival, with so many of them in flight at a time.
///
/// Its variance is that of a mean of correlated values by Bartlett's weights (W. K. Newey and K. D. West, 1987). Where they
/// all are the same, a value counts once for all that were in flight with it.
pub fn share_of(kept: &[f64], in_flight: f64) -> Share {
    let n = kept.len().max(1) as f64;
    let mean = kept.iter().sum::<f64>() / n;
    let lags = ((MEMORY * in_flight).ceil() as usize + 1).min(kept.len() / 4);
    let covariance = |lag: usize| {
        let pairs = kept.iter().zip(kept.iter().skip(lag));
        pairs.map(|(one, other)| (one - mean) * (other - mean)).sum::<f64>() / n
    };
    let weighted = (1..=lags).map(|lag| (1.0 - lag as f64 / (lags + 1) as f64) * covariance(lag)).sum::<f64>();
    let share = mean.clamp(0.0, 1.0);
    // Correlations that come out negative are chance.
    let of_values = (covariance(0) + 2.0 * weighted).max(covariance(0) / 2.0);
    // What the window itself is too short to show.
    let shortness = (1.0 - (lags as f64 / n).min(0.5)).recip();
    let of_same = binomial(share) * (1.0 + in_flight);
    let variance = if of_values > 0.0 { of_values * shortness } else { of_same };
    // Never more than one request apiece.
    Share { share, variance: variance.max(binomial(share)) / n }
}

/// The variance of a single outcome.
fn binomial(share: f64) -> f64 {
    let share = share.clamp(EXTREME, 1.0 - EXTREME);
    share * (1.0 - share)
}

// === impl Share ===

impl Share {
    /// The variance of a single outcome, if outcomes were independent.
    pub fn binomial(&self) -> f64 {
        binomial(self.share)
    }

    /// Number of independent requests that it is worth.
    pub fn independent(&self) -> f64 {
        binomial(self.share) / self.variance
    }

    /// The Wilson score interval (E. B. Wilson, 1927): what the true share lies in, with the confidence that `z` standard
    /// deviations give. It is sound for few requests and for shares near 1, where the usual normal interval is not.
    pub fn interval(&self, z: f64) -> (f64, f64) {
        let (share, of, z2) = (self.share, self.independent(), z * z);
        let center = (share + z2 / (2.0 * of)) / (1.0 + z2 / of);
        let half = z / (1.0 + z2 / of) * (share * (1.0 - share) / of + z2 / (4.0 * of * of)).sqrt();
        ((center - half).max(0.0), (center + half).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones_and_zeros(is_one: impl Fn(usize) -> bool) -> Vec<f64> {
        (0..1_000).map(|index| f64::from(u8::from(is_one(index)))).collect()
    }

    #[test]
    fn the_interval_is_wilsons() {
        // From Wilson's formula by hand: 90 of 100, 95 %.
        let (low, high) = Share { share: 0.9, variance: 0.09 / 100.0 }.interval(1.96);
        assert!((low - 0.8256).abs() < 1e-4 && (high - 0.9448).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn misses_in_a_row_count_for_fewer_than_misses_apart() {
        let apart = ones_and_zeros(|index| index * 7_919 % 10 != 0);
        let in_rows = ones_and_zeros(|index| index / 40 % 10 != 0);
        let (apart, in_rows) = (share_of(&apart, 20.0), share_of(&in_rows, 20.0));
        assert!((apart.share - in_rows.share).abs() < 0.05);
        assert!(apart.independent() > 10.0 * in_rows.independent(), "{apart:?} {in_rows:?}");
    }

    #[test]
    fn requests_that_all_went_well_count_once_for_all_in_flight_together() {
        let share = share_of(&ones_and_zeros(|_| true), 99.0);
        assert!((share.independent() - 10.0).abs() < 1e-6, "{share:?}");
    }
}
