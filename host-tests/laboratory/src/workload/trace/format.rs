//! The formats: which columns they have, and how their times are told.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// A public format of traces. It is told by the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `TIMESTAMP,ContextTokens,GeneratedTokens`: Azure's LLM inference traces of 2023 and 2024. Times are dates.
    Azure,
    /// `Timestamp,…,Request tokens,Response tokens,…`: BurstGPT. Times are seconds. Failures have no response tokens and are left out.
    BurstGpt,
    /// `arrival_s,input_tokens,output_tokens[,class]`: plain.
    Plain,
}

/// The columns that a format needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub time: &'static str,
    pub prompt: &'static str,
    pub output: &'static str,
}

// === impl Format ===

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Azure, Self::BurstGpt, Self::Plain];

    pub(super) const fn columns(self) -> Columns {
        match self {
            Self::Azure => Columns { time: "TIMESTAMP", prompt: "ContextTokens", output: "GeneratedTokens" },
            Self::BurstGpt => Columns { time: "Timestamp", prompt: "Request tokens", output: "Response tokens" },
            Self::Plain => Columns { time: "arrival_s", prompt: "input_tokens", output: "output_tokens" },
        }
    }

    /// The column of the class, which may be absent.
    pub(super) const fn class_column(self) -> Option<&'static str> {
        match self {
            Self::Plain => Some("class"),
            Self::Azure | Self::BurstGpt => None,
        }
    }

    /// Returns `true` if a row without output tokens is the record of a failure.
    pub(super) const fn records_failures(self) -> bool {
        matches!(self, Self::BurstGpt)
    }

    /// The format that shares most columns with a header; none if no format shares any.
    pub(super) fn of_header(header: &csv::StringRecord) -> Option<Self> {
        let shared = |format: &Self| {
            let names = format.columns().names();
            names.into_iter().filter(|name| header.iter().any(|column| column == *name)).count()
        };
        Self::ALL.into_iter().filter(|format| shared(format) > 0).max_by_key(shared)
    }

    /// A time, in nanoseconds.
    pub(super) fn nanoseconds(self, text: &str) -> Option<i64> {
        match self {
            Self::Azure => date(text)?.as_nanosecond().try_into().ok(),
            Self::BurstGpt | Self::Plain => {
                let nanoseconds = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0)? * 1e9;
                (nanoseconds < i64::MAX as f64).then_some(nanoseconds as i64)
            }
        }
    }

    /// Describes what a time should look like.
    pub(super) const fn expected_time(self) -> &'static str {
        match self {
            Self::Azure => "a date such as 2023-11-16 18:15:46.6805900",
            Self::BurstGpt | Self::Plain => "a number of seconds, 0 or more",
        }
    }

    /// All formats' columns, in words.
    pub(super) fn described() -> String {
        Self::ALL.map(|format| format.columns().names().join(",")).join(" or ")
    }
}

// === impl Columns ===

impl Columns {
    pub(super) const fn names(self) -> [&'static str; 3] {
        [self.time, self.prompt, self.output]
    }
}

/// With an offset from UTC, or without: then it is taken for UTC.
fn date(text: &str) -> Option<Timestamp> {
    let without = || text.parse::<DateTime>().ok().and_then(|date| Offset::UTC.to_timestamp(date).ok());
    text.parse().ok().or_else(without)
}
