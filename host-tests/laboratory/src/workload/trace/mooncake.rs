//! Mooncake's format: a JSON object a line, with the time, the lengths and the identities of the
//! prompt's blocks of 512 tokens. Each identity stands for its block and all before it, so prompts
//! share as many tokens as their identities begin alike.

use std::io::BufRead;
use std::time::Duration;

use serde::Deserialize;

use super::{Arrival, Class, Problem, Timing, Trace, TraceError};
use crate::engine::{CHUNK_TOKENS, Content};

/// A line.
#[derive(Debug, Deserialize)]
struct Row {
    /// Milliseconds.
    timestamp: u64,
    input_length: u32,
    output_length: u32,
    hash_ids: Vec<u64>,
}

pub(super) fn read(reader: impl BufRead, file: &str, class: Class) -> Result<Trace, TraceError> {
    let mut arrivals: Vec<Arrival> = Vec::new();
    for (line, text) in (1..).zip(reader.lines()) {
        let error = |problem| TraceError { line, ..TraceError::file(file, problem) };
        let text = text.map_err(|failure| error(Problem::Unreadable(failure.to_string())))?;
        if text.trim().is_empty() {
            continue;
        }
        let row: Row = serde_json::from_str(&text).map_err(|failure| error(Problem::Malformed(failure.to_string())))?;
        let arrival = row.arrival(class).map_err(error)?;
        if arrivals.last().is_some_and(|last| arrival.at < last.at) {
            return Err(error(Problem::Unsorted(row.timestamp.to_string())));
        }
        arrivals.push(arrival);
    }
    let Some(first) = arrivals.first().map(|arrival| arrival.at) else {
        return Err(TraceError::file(file, Problem::Empty));
    };
    arrivals.iter_mut().for_each(|arrival| arrival.at -= first);
    Ok(Trace { timing: Timing::Recorded(first.as_nanos() as i64), arrivals, left_out: 0 })
}

// === impl Row ===

impl Row {
    fn arrival(&self, class: Class) -> Result<Arrival, Problem> {
        let (blocks, expected) = (self.hash_ids.len(), self.input_length.div_ceil(CHUNK_TOKENS));
        if blocks != expected as usize {
            let tokens = self.input_length;
            return Err(Problem::Malformed(format!("{blocks} hash_ids where {tokens} tokens have {expected} blocks")));
        }
        Ok(Arrival {
            at: Duration::from_millis(self.timestamp),
            class,
            prompt_tokens: self.input_length,
            content: Some(Content::Chunks(self.hash_ids.clone().leak())),
            output_tokens: self.output_length,
        })
    }
}
