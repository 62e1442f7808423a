//! Recorded conversations without times, as of ShareGPT: a row a turn, with the length of what was
//! said before. They are replayed as sessions: each begins at random and takes its turns at a pace
//! that is assumed.

use std::collections::BTreeMap;
use std::time::Duration;

use csv::{Reader, StringRecord};
use rand::RngExt as _;
use serde::Deserialize;

use super::reader::malformed;
use super::{Arrival, Class, Problem, Timing, Trace, TraceError};
use crate::engine::Content;
use crate::workload::sessions::{Pace, Turn};

/// Mean time between two turns: to read an answer and to type. No public data tells it.
const BETWEEN: Duration = Duration::from_secs(30);

/// A row.
#[derive(Debug, Deserialize)]
struct Row {
    conv: u32,
    prompt_tokens: u32,
    context_tokens_before: u32,
    output_tokens: u32,
}

/// Returns `true` if this is the header of such a file.
pub(super) fn is_header(names: &StringRecord) -> bool {
    names.iter().any(|name| name == "context_tokens_before")
}

/// Reads the turns of each conversation; those without an answer are left out.
pub(super) fn read(rows: &mut Reader<impl std::io::Read>, file: &str, class: Class) -> Result<Trace, TraceError> {
    let (mut arrivals, mut left_out) = (Vec::new(), 0);
    for row in rows.deserialize() {
        let Row { conv, prompt_tokens, context_tokens_before, output_tokens } =
            row.map_err(|error| malformed(file, &error))?;
        if output_tokens == 0 {
            left_out += 1;
            continue;
        }
        let prompt_tokens = context_tokens_before.saturating_add(prompt_tokens);
        let content = Some(Content::conversation(conv));
        arrivals.push(Arrival { at: Duration::ZERO, class, prompt_tokens, content, output_tokens });
    }
    if arrivals.is_empty() {
        return Err(TraceError::file(file, Problem::Empty));
    }
    Ok(Trace { timing: Timing::Sessions, arrivals, left_out })
}

/// Conversations of these turns that begin at random, each as often as any, with so many turns per
/// second in the mean.
pub(super) fn replay(turns: &[Arrival], rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
    let mut conversations: BTreeMap<_, Vec<Turn>> = BTreeMap::new();
    for &Arrival { class, prompt_tokens, content, output_tokens, .. } in turns {
        let Some(Content::Conversation { conversation, .. }) = content else { continue };
        conversations.entry(conversation).or_default().push(Turn { class, prompt_tokens, output_tokens });
    }
    let conversations: Vec<Vec<Turn>> = conversations.into_values().collect();
    let most_turns = conversations.iter().map(Vec::len).max().unwrap_or(1);
    let pace = Pace {
        between: BETWEEN,
        mean_turns: turns.len() as f64 / conversations.len().max(1) as f64,
        most_turns: most_turns as u32,
    };
    pace.arrivals(rate_per_s, span, seed, |rng| {
        let mut left = conversations[rng.random_range(0..conversations.len())].iter();
        move |_| left.next().copied()
    })
}
