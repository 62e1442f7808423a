//! Results that people already have, as measured points.

mod aibrix;
mod aiperf;
mod guidellm;
mod requests;
mod vllm;

use serde_json::Value;

use crate::measurement::Point;

/// The tools whose results can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// AIBrix's `aibrix_benchmark`: JSON Lines, a row per metric.
    Aibrix,
    /// vLLM's `vllm bench serve --save-result` (with `--save-detailed` for the single requests): a JSON document per rate.
    Vllm,
    /// guidellm's `guidellm run --output kind=json`: a document of all rates, with the single requests.
    Guidellm,
    /// AIPerf's `profile_export_aiperf.json`: a document per rate.
    Aiperf,
}

/// Reads one file's text.
///
/// # Errors
///
/// What is not of the format, and what of it does not suffice for a point, in words.
pub fn import(format: Format, text: &str) -> Result<Vec<Point>, String> {
    match format {
        Format::Aibrix => aibrix::points(text),
        Format::Vllm => vllm::points(text),
        Format::Guidellm => guidellm::points(text),
        Format::Aiperf => aiperf::points(text),
    }
}

/// A number of a document.
fn number(document: &Value, name: &str) -> Result<f64, String> {
    let value = document.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
    value.as_f64().filter(|value| value.is_finite()).ok_or_else(|| format!("`{name}` is {value}, expected a number"))
}

// === impl Format ===

impl Format {
    /// Its tool's name.
    pub fn tool(self) -> &'static str {
        match self {
            Self::Aibrix => "aibrix_benchmark",
            Self::Vllm => "vllm bench serve",
            Self::Guidellm => "guidellm",
            Self::Aiperf => "aiperf",
        }
    }
}

#[cfg(test)]
mod tests;
