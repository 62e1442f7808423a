//! Durations as strings: a number and a unit, such as `"50ms"` or `"1.5s"`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Longer than anything that is waited for, and short enough for milliseconds in 32 bits.
pub const MAX: Duration = Duration::from_hours(24);

/// The units, each with its length in microseconds. What ends like another comes before it.
const UNITS: [(&str, u64); 5] = [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

/// Parses a number of microseconds, milliseconds, seconds, minutes or hours (`us`, `ms`, `s`, `m`,
/// `h`), at most [`MAX`]. A fraction must make whole microseconds: nothing is rounded away unseen.
pub fn parse(text: &str) -> Option<Duration> {
    let (number, unit_us) = UNITS.iter().find_map(|(unit, micros)| Some((text.strip_suffix(unit)?, *micros)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let micros = digits(whole)?.checked_mul(unit_us)?.checked_add(fraction_us(fraction, unit_us)?)?;
    Some(Duration::from_micros(micros)).filter(|duration| *duration <= MAX)
}

fn fraction_us(fraction: &str, unit_us: u64) -> Option<u64> {
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled_us = digits(fraction)?.checked_mul(unit_us)?;
    if scaled_us.is_multiple_of(scale) { scaled_us.checked_div(scale) } else { None }
}

/// Decimal digits, at least one; no sign, unlike `str::parse`.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A duration of at least so many microseconds. For `#[serde(deserialize_with)]`.
pub fn at_least_us<'de, D: Deserializer<'de>, const MIN_US: u64>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(AtLeast::<MIN_US>)
}

/// The same, or none (`null`).
pub fn optional_at_least_us<'de, D, const MIN_US: u64>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Checked<const MIN_US: u64>(Duration);
    impl<'de, const MIN_US: u64> Deserialize<'de> for Checked<MIN_US> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            at_least_us::<D, MIN_US>(deserializer).map(Self)
        }
    }
    Ok(Option::deserialize(deserializer)?.map(|Checked::<MIN_US>(duration)| duration))
}

struct AtLeast<const MIN_US: u64>;

// === impl AtLeast ===

impl<const MIN_US: u64> Visitor<'_> for AtLeast<MIN_US> {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = Duration::from_micros(MIN_US);
        write!(
            f,
            "a string of a number and a unit (us, ms, s, m, h) from {least:?} to 24h, such as \"50ms\" or \"1.5s\""
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text)
            .filter(|duration| *duration >= Duration::from_micros(MIN_US))
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, micros) in [
            ("7us", 7),
            ("50ms", 50_000),
            ("0.5ms", 500),
            ("10s", 10_000_000),
            ("1.5s", 1_500_000),
            ("1.500000000s", 1_500_000),
            ("2m", 120_000_000),
            ("0.25m", 15_000_000),
            ("24h", 86_400_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "5", "s", ".5s", "5.s", "-1s", "+1s", "1 s", " 1s", "1e3s", "1S", "1,5s", "1.2.3s", "1d", "infs", "½s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_is_rounded_and_nothing_overflows() {
        for text in ["0.5us", "1.0000001s", "24.1h", "99999999999999999999h", "0.00000000000000000000001s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(micros in 0_u64..86_400_000_000) {
            let seconds = format!("{}.{:06}s", micros / 1_000_000, micros % 1_000_000);
            prop_assert_eq!(parse(&format!("{micros}us")), Some(Duration::from_micros(micros)));
            prop_assert_eq!(parse(&seconds), Some(Duration::from_micros(micros)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            prop_assert!(parse(&text).is_none_or(|duration| duration <= MAX));
        }
    }
}
