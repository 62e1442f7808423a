//! The steps of a curve as bytes: workers tell each other many of them, and number by number they
//! would take ten times as long to write.

use serde::{Deserialize, Deserializer, Serializer};

use super::lengths::SurvivalStep;

/// Bytes of a step: its length, and the share that is longer in single precision.
const STEP: usize = 8;

/// Writes steps.
pub(super) fn serialize<S: Serializer>(steps: &[SurvivalStep], serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::with_capacity(steps.len().saturating_mul(STEP));
    for step in steps {
        bytes.extend_from_slice(&step.length.to_le_bytes());
        bytes.extend_from_slice(&(step.longer as f32).to_le_bytes());
    }
    serializer.serialize_bytes(&bytes)
}

/// Reads steps; a part of one is left out.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SurvivalStep>, D::Error> {
    let bytes = <&[u8]>::deserialize(deserializer)?;
    let (steps, _) = bytes.as_chunks::<STEP>();
    let read = |[a, b, c, d, e, f, g, h]: &[u8; STEP]| SurvivalStep {
        length: u32::from_le_bytes([*a, *b, *c, *d]),
        longer: f32::from_le_bytes([*e, *f, *g, *h]).into(),
    };
    Ok(steps.iter().map(read).collect())
}
