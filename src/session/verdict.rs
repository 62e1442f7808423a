//! Verdict at the end of a placed request: the sign for its pod, and how its client fared.

use std::time::Duration;

use super::host::Host;
use super::record::Record;
use super::stats::Ending;
use crate::dispatcher::End;
use crate::protocol::{self, Fault, Observed};

/// Time for which a pod is taken to be full that states none.
const FULL_FOR: Duration = Duration::from_secs(1);

/// Envoy's response flags UC (the connection to the pod broke) and UR (the pod reset the stream).
const RESET: u64 = 0x40 | 0x10;
/// UH, UO and NR: no host, a circuit breaker, no route; no pod was asked.
const NOT_ASKED: u64 = 0x2 | 0x80 | 0x100;
/// DC: the client's connection broke.
const CLIENT_LEFT: u64 = 0x4000;

/// See the module.
pub(super) enum Verdict {
    /// The answer came, all of it.
    Answered,
    /// It ended otherwise.
    Ended(End, Ending),
}

// === impl Verdict ===

impl Verdict {
    /// `lacks_model`: a 404 is one of the model. `after`: how long ago the request went to the pod.
    pub(super) fn of(
        host: &impl Host,
        record: &Record,
        observed: &Observed,
        lacks_model: bool,
        after: Duration,
    ) -> Self {
        let full = || End::NoRoom(record.retry_after.unwrap_or(FULL_FOR));
        let (end, ending) = match (record.status, observed.end) {
            (None, _) => (End::Unanswered(after), Ending::Abandoned),
            (Some(429), _) => (full(), Ending::ClientError),
            (Some(529), _) => (full(), Ending::Failed),
            // It does not do this at all, which says nothing of what else it does.
            (Some(501), _) => (End::Answered, Ending::ClientError),
            (Some(500..), _) => (of_failure(host, record), Ending::Failed),
            (Some(404), _) if lacks_model => (End::ModelMissing, Ending::ClientError),
            (Some(400..), _) => (End::Answered, Ending::ClientError),
            (Some(_), protocol::ResponseEnd::Faulty(fault)) => of_fault(fault, observed.output_events > 0),
            (Some(_), protocol::ResponseEnd::Whole) => return Self::Answered,
            (Some(_), protocol::ResponseEnd::Cut) if !record.complete && flags(host) & CLIENT_LEFT != 0 => {
                (End::Abandoned, Ending::Abandoned)
            }
            // It ended in order, without a word of what was asked for.
            (Some(_), protocol::ResponseEnd::Cut) if record.complete && observed.output_events == 0 => {
                (End::PodFailed, Ending::Failed)
            }
            (Some(_), protocol::ResponseEnd::Cut) => (End::BrokeOff, Ending::Failed),
        };
        Self::Ended(end, ending)
    }
}

/// An error under a status that tells none.
fn of_fault(Fault { status }: Fault, has_output: bool) -> (End, Ending) {
    match status {
        Some(429) => (End::NoRoom(FULL_FOR), Ending::ClientError),
        Some(529) => (End::NoRoom(FULL_FOR), Ending::Failed),
        Some(501) => (End::Answered, Ending::Failed),
        Some(400..=499) => (End::Answered, Ending::ClientError),
        Some(_) | None if has_output => (End::BrokeOff, Ending::Failed),
        Some(500) | None => (End::Erred, Ending::Failed),
        Some(_) => (End::PodFailed, Ending::Failed),
    }
}

/// A 5xx, of the pod or of Envoy for want of one. A pod may close a connection that it has kept
/// open after an answer just as a request is sent into it: that is no failure.
fn of_failure(host: &impl Host, record: &Record) -> End {
    let flags = flags(host);
    let is_closed = flags & RESET != 0 && record.is_reused;
    match record.status {
        _ if is_closed || flags & NOT_ASKED != 0 => End::Abandoned,
        Some(500) => End::Erred,
        _ => End::PodFailed,
    }
}

fn flags(host: &impl Host) -> u64 {
    let flags = host.property("response\0flags").and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    flags.unwrap_or_default()
}
