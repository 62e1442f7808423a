//! The shape of a request: how many tokens go in and how many come out.

/// (output tokens, input tokens) of a request; the output may be an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Tokens to generate, all choices (`n`) together.
    pub output_tokens: u32,
    /// Tokens of the prompt.
    pub input_tokens: u32,
}

impl Shape {
    /// With its prompt rounded to a quarter of an octave, so that requests that hardly differ do
    /// not.
    pub fn rounded(self) -> Self {
        let quarters = (4.0 * f64::from(self.input_tokens.max(1)).log2()).round();
        Self { input_tokens: (quarters / 4.0).exp2() as u32, ..self }
    }
}

/// The last bucket that [`log2_bucket`] knows: everything from some 2^20 tokens on.
pub const LAST_BUCKET: u8 = 20;

/// The bucket of a token count, as AIBrix's output predictor has it: log2 rounded half away from
/// zero, 0 for no tokens at all, [`LAST_BUCKET`] at most.
///
/// Whole numbers decide it exactly: log2(t) rounds up from f + ½ on, that is where t² ≥ 2^(2f + 1).
pub fn log2_bucket(tokens: u32) -> u8 {
    let Some(floor) = tokens.checked_ilog2() else { return 0 };
    let square = u64::from(tokens) * u64::from(tokens);
    let bucket = if square >= 1_u64 << (2 * floor + 1) { floor + 1 } else { floor };
    u8::try_from(bucket).unwrap_or(LAST_BUCKET).min(LAST_BUCKET)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LAST_BUCKET, log2_bucket};

    proptest! {
        #[test]
        fn a_bucket_is_the_rounded_logarithm(tokens in prop_oneof![1..=u32::MAX, 1..=5000_u32]) {
            let rounded = f64::from(tokens).log2().round().min(f64::from(LAST_BUCKET));
            prop_assert_eq!(f64::from(log2_bucket(tokens)), rounded);
        }
    }
}
