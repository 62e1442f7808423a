//! Quality of the estimates of prompt lengths: the share of prompts whose estimate lies in another
//! log2 bucket than the exact count of cl100k_base, while nothing is known of the model (cold) and
//! with what the prompts before have taught (learned).
//!
//! Prompts come from files: `.jsonl` with texts (`requests[].prompt`, or `prompt`), which are counted here, and `.csv` with
//! the columns `prompt_chars` and `prompt_tokens`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use laboratory::report::table;
use serde::Deserialize;
use serde_json::json;
use slo_router::learning::{Learning, Prediction, PredictionKind, ResponseSample};
use slo_router::protocol::{Ask, Cl100k, Endpoint};
use slo_router::scheduling::shape::log2_bucket;

const HEADS: [&str; 6] = ["prompts of", "number", "knowing", "other bucket", "beyond the next", "mean error"];

/// Share of prompts whose estimated length lies in another log2 bucket than the exact one.
#[derive(Args)]
pub(crate) struct Flags {
    /// Files of prompts, or folders of them.
    #[arg(default_values = ["../shared/traces/aibrix_workload", "../shared/traces/sharegpt"])]
    prompts: Vec<PathBuf>,
}

/// A prompt's length.
#[derive(Clone, Copy, Deserialize)]
struct Length {
    #[serde(rename = "prompt_chars")]
    characters: u64,
    #[serde(rename = "prompt_tokens")]
    tokens: u32,
}

/// A line of a trace.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Many { requests: Vec<Prompt> },
    One(Prompt),
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

/// Counts of a file.
#[derive(Default)]
struct Tally {
    prompts: u32,
    cold: Wrong,
    learned: Wrong,
}

#[derive(Default)]
struct Wrong {
    /// Estimates in another bucket.
    other_bucket: u32,
    /// Of those, the ones not even in the next.
    far: u32,
    /// Sum of |estimate − exact| / exact.
    relative_error: f64,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    let mut rows = Vec::new();
    for path in &flags.prompts {
        if !path.exists() {
            println!("skipped: there is no {}", path.display());
            continue;
        }
        for file in files(path)? {
            let lengths = lengths(&file)?;
            if lengths.is_empty() {
                continue;
            }
            let tally = Tally::of(&lengths);
            let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
            rows.push(tally.row(name, "nothing", &tally.cold));
            rows.push(tally.row("", "those before", &tally.learned));
        }
    }
    if !rows.is_empty() {
        println!("{}", table(&HEADS, 3, rows));
    }
    Ok(())
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "jsonl" || kind == "csv"));
    files.sort();
    Ok(files)
}

fn lengths(file: &Path) -> Result<Vec<Length>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lengths = if file.extension().is_some_and(|kind| kind == "csv") { columns(&text) } else { counted(&text) };
    lengths.with_context(|| format!("in {}", file.display()))
}

fn columns(text: &str) -> Result<Vec<Length>> {
    let lengths: Result<Vec<Length>, _> = csv::Reader::from_reader(text.as_bytes()).deserialize().collect();
    let mut lengths = lengths?;
    lengths.retain(|length| length.tokens > 0);
    Ok(lengths)
}

/// Measures texts as the filter does: in the body of a request.
fn counted(text: &str) -> Result<Vec<Length>> {
    let counter = Cl100k::load();
    let mut lengths = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let prompts = match serde_json::from_str(line).with_context(|| format!("line {}", number + 1))? {
            Line::Many { requests } => requests,
            Line::One(prompt) => vec![prompt],
        };
        for Prompt { prompt } in prompts {
            let body = json!({"messages": [{"role": "user", "content": prompt}]}).to_string();
            let size = Ask::read(Endpoint::ChatCompletions, body.as_bytes(), Some(&counter))?.prompt;
            lengths.extend(size.tokens.map(|tokens| Length { characters: size.characters, tokens }));
        }
    }
    Ok(lengths)
}

// === impl Tally ===

impl Tally {
    fn of(lengths: &[Length]) -> Self {
        const MODEL: &str = "model";
        let prediction = Prediction { kind: PredictionKind::Median, cold_tokens: 256 };
        let (mut ignorant, mut learning) = (Learning::new(prediction), Learning::new(prediction));
        let mut tally = Self::default();
        for length in lengths {
            tally.prompts += 1;
            tally.cold.note(ignorant.tokens_of_characters(MODEL, length.characters), length.tokens);
            tally.learned.note(learning.tokens_of_characters(MODEL, length.characters), length.tokens);
            let (prompt_tokens, characters) = (Some(length.tokens), Some(length.characters));
            learning.record(MODEL, ResponseSample { prompt_tokens, characters, ..ResponseSample::default() });
        }
        tally
    }

    fn row(&self, file: &str, knowing: &str, wrong: &Wrong) -> [String; 6] {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part / f64::from(self.prompts));
        [
            file.to_owned(),
            if file.is_empty() { String::new() } else { self.prompts.to_string() },
            knowing.to_owned(),
            percent(wrong.other_bucket.into()),
            percent(wrong.far.into()),
            percent(wrong.relative_error),
        ]
    }
}

// === impl Wrong ===

impl Wrong {
    fn note(&mut self, estimate: u32, exact: u32) {
        let off = log2_bucket(estimate).abs_diff(log2_bucket(exact));
        self.other_bucket += u32::from(off > 0);
        self.far += u32::from(off > 1);
        self.relative_error += f64::from(estimate.abs_diff(exact)) / f64::from(exact);
    }
}
