//! Numbers with a range. For `#[serde(deserialize_with)]`.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// A number above 0; JSON has no infinite ones.
pub fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number > 0.0 {
        return Ok(number);
    }
    Err(D::Error::invalid_value(Unexpected::Float(number), &"a number above 0"))
}

/// A number above 0, or none (`null`).
pub fn optional_positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    struct Positive(f64);
    impl<'de> Deserialize<'de> for Positive {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            positive(deserializer).map(Self)
        }
    }
    Ok(Option::deserialize(deserializer)?.map(|Positive(number)| number))
}

/// A number from 0 to `MOST`.
pub fn from_zero_to<'de, D: Deserializer<'de>, const MOST: u32>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if (0.0..=f64::from(MOST)).contains(&number) {
        return Ok(number);
    }
    let expected = format!("a number from 0 to {MOST}");
    Err(D::Error::invalid_value(Unexpected::Float(number), &expected.as_str()))
}

/// A whole number from 1 to `MAX`.
pub fn from_one_to<'de, D: Deserializer<'de>, const MAX: u32>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if (1..=MAX).contains(&number) {
        return Ok(number);
    }
    let expected = format!("a whole number from 1 to {MAX}");
    Err(D::Error::invalid_value(Unexpected::Unsigned(number.into()), &expected.as_str()))
}
