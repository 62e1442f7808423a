//! How sure a share is that was counted.

/// Standard deviations of 90 % confidence, both sides.
pub const Z_90: f64 = 1.645;

/// The Wilson score interval of a share of `kept` in `of` (E. B. Wilson, 1927): what the true share lies in, with the
/// confidence that `z` standard deviations give. It is sound for few requests and for shares near 1, where the usual
/// normal interval is not.
pub fn wilson(kept: f64, of: f64, z: f64) -> (f64, f64) {
    if of <= 0.0 {
        return (0.0, 1.0);
    }
    let (share, z2) = (kept / of, z * z);
    let center = (share + z2 / (2.0 * of)) / (1.0 + z2 / of);
    let half = z / (1.0 + z2 / of) * (share * (1.0 - share) / of + z2 / (4.0 * of * of)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// How many independent requests these are worth: neighbours in time share their fate, so many misses in a row say less
/// than as many apart. From the correlation of neighbours, as of a first-order process: n (1 − ρ) / (1 + ρ).
pub fn independent(kept: &[bool]) -> f64 {
    let n = kept.len() as f64;
    let share = kept.iter().filter(|kept| **kept).count() as f64 / n.max(1.0);
    let variance = share * (1.0 - share);
    if variance <= 0.0 {
        return n;
    }
    let deviation = |kept: bool| f64::from(u8::from(kept)) - share;
    let products = kept.iter().zip(kept.iter().skip(1)).map(|(one, next)| deviation(*one) * deviation(*next));
    let correlation = (products.sum::<f64>() / (n - 1.0).max(1.0) / variance).clamp(0.0, 0.99);
    n * (1.0 - correlation) / (1.0 + correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // From Wilson's formula by hand: 90 of 100, 95 %.
        let (low, high) = wilson(90.0, 100.0, 1.96);
        assert!((low - 0.8256).abs() < 1e-4 && (high - 0.9448).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson(0.0, 0.0, Z_90), (0.0, 1.0));
    }

    #[test]
    fn misses_in_a_row_count_for_fewer_than_misses_apart() {
        let apart: Vec<bool> = (0..100).map(|index| index % 10 != 0).collect();
        let in_a_row: Vec<bool> = (0..100).map(|index| index >= 10).collect();
        assert_eq!(independent(&apart), 100.0);
        assert!(independent(&in_a_row) < 15.0, "{}", independent(&in_a_row));
    }
}
