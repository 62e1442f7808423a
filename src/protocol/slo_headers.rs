//! Latency objectives in request headers, in every dialect that clients of other routers speak.

use std::fmt;
use std::time::Duration;

use crate::scheduling::slo::Slo;

use Unit::{Milliseconds, TokensPerSecond};

/// A header that is there but makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SloHeaderError {
    /// The header's name.
    pub header: &'static str,
    /// Its value, as received.
    pub value: String,
    /// Values that it may hold, in words.
    pub expected: &'static str,
}

#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    /// A rate, whose inverse is the time per output token.
    TokensPerSecond,
}

/// The field of an SLO that a header sets.
type SloField = fn(&mut Slo) -> &mut Option<Duration>;

/// Headers by field; of those that set the same field, the first that is there counts.
const HEADERS: &[(&str, Unit, SloField)] = &[
    ("x-slo-ttft-ms", Milliseconds, |slo| &mut slo.ttft),
    ("x-llm-d-slo-ttft-ms", Milliseconds, |slo| &mut slo.ttft),
    ("x-dynamo-slo-ttft-ms", Milliseconds, |slo| &mut slo.ttft),
    ("x-sgl-ttft-slo-ms", Milliseconds, |slo| &mut slo.ttft),
    ("x-slo-tpot-ms", Milliseconds, |slo| &mut slo.tpot),
    ("x-llm-d-slo-tpot-ms", Milliseconds, |slo| &mut slo.tpot),
    ("x-sgl-tps-slo", TokensPerSecond, |slo| &mut slo.tpot),
    ("x-slo-e2e-ms", Milliseconds, |slo| &mut slo.e2e),
    ("x-slo-e2e-per-output-token-ms", Milliseconds, |slo| &mut slo.e2e_per_output_token),
    (E2E_BASE, Milliseconds, |slo| &mut slo.e2e_base),
    ("x-slo-e2e-per-token-ms", Milliseconds, |slo| &mut slo.e2e_per_token),
];

const E2E_BASE: &str = "x-slo-e2e-base-ms";

/// No objective is longer: ten years, far from where sums of instants would saturate.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The core counts in microseconds; what is shorter would be none.
const SHORTEST: Duration = Duration::from_micros(1);

/// The SLO that a request's headers set; `None` where none of them is there. `lookup` gives a
/// header's value by its lower-case name.
///
/// # Errors
/// A [`SloHeaderError`] for the first header whose value is not a positive finite number (fractions
/// are), and for a base without the objective per output token that it belongs to.
pub fn slo_from_headers(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Slo>, SloHeaderError> {
    let mut slo = Slo::default();
    for &(header, unit, field) in HEADERS {
        let Some(value) = lookup(header) else { continue };
        let Some(duration) = unit.read(&value) else {
            return Err(SloHeaderError { header, value, expected: unit.expected() });
        };
        field(&mut slo).get_or_insert(duration);
    }
    if slo.e2e_base.is_some() && slo.e2e_per_output_token.is_none() {
        let value = lookup(E2E_BASE).unwrap_or_default();
        return Err(SloHeaderError { header: E2E_BASE, value, expected: "x-slo-e2e-per-output-token-ms beside it" });
    }
    Ok((slo != Slo::default()).then_some(slo))
}

/// Returns each header that states an objective, and the name of the field of an objective that it
/// sets.
pub fn slo_header_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    HEADERS.iter().map(|(header, _, field)| {
        let mut slo = Slo::default();
        *field(&mut slo) = Some(SHORTEST);
        let name = match slo {
            Slo { ttft: Some(_), .. } => "ttft",
            Slo { tpot: Some(_), .. } => "tpot",
            Slo { e2e: Some(_), .. } => "e2e",
            Slo { e2e_per_output_token: Some(_), .. } => "e2e_per_output_token",
            Slo { e2e_base: Some(_), .. } => "e2e_base",
            _ => "e2e_per_token",
        };
        (*header, name)
    })
}

/// Those of a request's header names that look like an objective and are none that is read:
/// misspelt, most likely. In lower case.
pub fn unknown_slo_headers<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const PREFIXES: [&str; 3] = ["x-slo-", "x-llm-d-slo-", "x-dynamo-slo-"];
    let is_known = |name: &str| HEADERS.iter().any(|(known, ..)| *known == name);
    names.filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !is_known(name)).collect()
}

// === impl Unit ===

impl Unit {
    fn read(self, value: &str) -> Option<Duration> {
        let number = value.trim().parse::<f64>().ok().filter(|number| *number > 0.0)?;
        let seconds = match self {
            Self::Milliseconds => number / 1e3,
            Self::TokensPerSecond => 1.0 / number,
        };
        Duration::try_from_secs_f64(seconds).ok().filter(|duration| (SHORTEST..=LONGEST).contains(duration))
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Milliseconds => "a positive number of milliseconds",
            Self::TokensPerSecond => "a positive number of tokens per second",
        }
    }
}

// === impl SloHeaderError ===

impl fmt::Display for SloHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header {}: {:?}, expected {}", self.header, self.value, self.expected)
    }
}

impl std::error::Error for SloHeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<Option<Slo>, SloHeaderError> {
        slo_from_headers(|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn micros(micros: u64) -> Option<Duration> {
        Some(Duration::from_micros(micros))
    }

    #[test]
    fn without_headers_there_is_no_slo() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-slo-unknown-ms", "5")]), Ok(None));
    }

    #[test]
    fn each_header_sets_its_field() {
        let slo = read(&[
            ("x-slo-ttft-ms", "1000"),
            ("x-slo-tpot-ms", "0.5"),
            ("x-slo-e2e-ms", " 2e3 "),
            ("x-slo-e2e-per-output-token-ms", "50"),
            ("x-slo-e2e-base-ms", "1"),
            ("x-slo-e2e-per-token-ms", "7.25"),
        ]);
        let expected = Slo {
            ttft: micros(1_000_000),
            tpot: micros(500),
            e2e: micros(2_000_000),
            e2e_per_output_token: micros(50_000),
            e2e_base: micros(1_000),
            e2e_per_token: micros(7_250),
        };
        assert_eq!(slo, Ok(Some(expected)));
    }

    #[test]
    fn what_looks_like_an_objective_and_is_none_is_found() {
        let names = ["x-slo-ttft-ms", "x-slo-tttft-ms", "x-slo-ttft", "x-slow", "x-llm-d-slo-e2e-ms", "content-type"];
        assert_eq!(unknown_slo_headers(names.into_iter()), ["x-slo-tttft-ms", "x-slo-ttft", "x-llm-d-slo-e2e-ms"]);
    }

    #[test]
    fn other_routers_headers_mean_the_same() {
        let ttft = Slo { ttft: micros(250_000), ..Slo::default() };
        let tpot = Slo { tpot: micros(20_000), ..Slo::default() };
        for (header, value, slo) in [
            ("x-llm-d-slo-ttft-ms", "250", ttft),
            ("x-dynamo-slo-ttft-ms", "250", ttft),
            ("x-sgl-ttft-slo-ms", "250", ttft),
            ("x-llm-d-slo-tpot-ms", "20", tpot),
            ("x-sgl-tps-slo", "50", tpot),
        ] {
            assert_eq!(read(&[(header, value)]), Ok(Some(slo)), "{header}");
        }
    }

    #[test]
    fn our_own_header_goes_before_another_routers() {
        let slo = read(&[("x-llm-d-slo-ttft-ms", "9"), ("x-slo-ttft-ms", "1")]).unwrap().unwrap();
        assert_eq!(slo.ttft, micros(1_000));
    }

    #[test]
    fn a_malformed_value_is_an_error_that_names_it() {
        for value in ["", "abc", "0", "-1", "NaN", "inf", "1e400", "1e15", "0.0001", "5ms", "1,000", "0x10"] {
            let error = read(&[("x-slo-tpot-ms", value)]).unwrap_err();
            assert_eq!((error.header, error.value.as_str()), ("x-slo-tpot-ms", value));
        }
        let error = read(&[("x-sgl-tps-slo", "fast")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "header x-sgl-tps-slo: \"fast\", expected a positive number of tokens per second"
        );
    }

    #[test]
    fn a_base_alone_is_an_error() {
        let error = read(&[("x-slo-e2e-base-ms", "1000")]).unwrap_err();
        assert_eq!((error.header, error.value.as_str()), ("x-slo-e2e-base-ms", "1000"));
    }
}
