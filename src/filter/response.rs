//! Responses: what clients are told, what is learned, and the release of what a request took.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use super::host::{self, Buffer, Map};
use super::record::{Record, Stage};
use super::router::Router;
use super::stats::{Ending, NO_PODS, reason_of};
use crate::config::DEFAULT_CLASS;
use crate::dispatcher::{End, Placement};
use crate::learning::Sample;
use crate::protocol::{Observed, ResponseFacts, ResponseObserver};
use crate::scheduling::prediction::Completion;
use crate::scheduling::request::RequestId;
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Outcome;
use crate::scheduling::time::Instant;

impl Router {
    /// A response's headers came.
    pub fn on_response_headers(&mut self, id: RequestId, end_of_stream: bool) {
        let Some(record) = self.records.get_mut(&id) else { return };
        record.complete |= end_of_stream;
        if matches!(record.stage, Stage::Unplaced) {
            let _ = host::set_header(Map::Response, "x-slo-router-reason", NO_PODS);
        }
        let Stage::Forwarded(placement) = &mut record.stage else { return };
        if let Some(address) = served_by(&placement.destination).filter(|address| *address != placement.address) {
            placement.address = address;
            self.dispatcher.served_by(id, address, host::now());
        }
        let headers = host::headers(Map::Response);
        let status = headers.get(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
        record.status = Some(status);
        record.observer = Some(ResponseObserver::new(ResponseFacts {
            status,
            content_type: headers.get("content-type").as_deref(),
            content_encoding: headers.get("content-encoding").as_deref(),
        }));
        let set = |name: &str, value: &str| {
            // Refused only without a header map.
            let _ = host::set_header(Map::Response, name, value);
        };
        set("x-slo-router-policy", placement.policy.as_str());
        set("x-slo-router-wait-ms", &tenths_of_ms(placement.waited));
        if let Some(unjudged) = placement.unjudged {
            set("x-slo-router-reason", reason_of(unjudged));
        }
        if self.config.response.show_pod {
            set("x-slo-router-pod", &placement.address.to_string());
        }
    }

    /// A part of a response's body passes.
    pub fn on_response_body(&mut self, id: RequestId, size: usize, end_of_stream: bool) {
        let Some(record) = self.records.get_mut(&id) else { return };
        record.complete |= end_of_stream;
        let Some(observer) = record.observer.as_mut().filter(|observer| size > 0 && observer.is_read()) else { return };
        if let Some(chunk) = host::buffer(Buffer::ResponseBody, size) {
            let now = if observer.is_timed() { host::now() } else { record.arrived_at };
            observer.feed(&chunk, now);
            if self.looks_at_runs && observer.is_timed() {
                let tokens = observer.output_so_far();
                self.dispatcher.progress(id, tokens, now);
            }
        }
    }

    /// A response ended in trailers.
    pub fn on_response_trailers(&mut self, id: RequestId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.complete = true;
        }
    }

    /// A stream ended, however it did. Nothing may be forwarded here.
    pub fn on_stream_end(&mut self, id: RequestId) {
        let Some(mut record) = self.records.remove(&id) else { return };
        let now = host::now();
        match std::mem::replace(&mut record.stage, Stage::Refused) {
            Stage::Reading { .. } => self.guard.forget(id),
            Stage::Waiting => self.dispatcher.cancel(id, now),
            Stage::Forwarded(placement) => self.finish(*record, &placement, now),
            Stage::Unplaced | Stage::Refused => {}
        }
    }

    fn finish(&mut self, mut record: Record, placement: &Placement, now: Instant) {
        let observed = record.observer.take().map(ResponseObserver::finish).unwrap_or_default();
        let (end, ending) = match record.status {
            None => (End::Abandoned, Ending::Abandoned),
            Some(500..) => (End::PodFailed, Ending::Failed),
            Some(400..) => (End::Answered, Ending::ClientError),
            Some(_) if !record.complete && is_cut_by_client() => (End::Answered, Ending::Abandoned),
            Some(_) if !record.complete => (End::Answered, Ending::Failed),
            Some(_) => {
                let outcome = outcome(&record, &observed, now);
                self.learn(&record, &observed, now);
                let ttft = observed.first_token_at.map(|at| millis(at.since(record.arrived_at)));
                self.stats.timed(ttft, millis(outcome.e2e));
                let ending = match placement.slo {
                    None => Ending::NoObjective,
                    Some(slo) if slo.kept(&outcome) => Ending::Kept,
                    Some(_) => Ending::Missed,
                };
                (End::Finished(outcome), ending)
            }
        };
        let class = record.facts.as_ref().and_then(|facts| facts.class);
        let class_name =
            class.and_then(|class| self.config.classes.get(class)).map_or(DEFAULT_CLASS, |class| &class.name);
        self.stats.ended((class, class_name), placement.policy, ending);
        self.dispatcher.finish(record.id, &end, now);
    }

    fn learn(&mut self, record: &Record, observed: &Observed, now: Instant) {
        let Some(facts) = &record.facts else { return };
        let sample = match observed.usage {
            Some(usage) => Sample {
                completion: Completion {
                    input_tokens: usage.prompt_tokens,
                    output_tokens: usage.completion_tokens,
                    completed_at: now,
                },
                characters: facts.characters,
                bytes: facts.bytes,
            },
            // The prompt's tokens are an estimate here, so they teach nothing of characters.
            None if observed.output_events > 0 => Sample {
                completion: Completion {
                    input_tokens: facts.shape.input_tokens,
                    output_tokens: observed.output_events,
                    completed_at: now,
                },
                characters: None,
                bytes: None,
            },
            None => return,
        };
        self.learning.record(&facts.label, sample);
    }
}

/// What the client saw; where the server did not say how much it generated, what passed or was expected stands for it.
fn outcome(record: &Record, observed: &Observed, now: Instant) -> Outcome {
    let expected = record.facts.as_ref().map(|facts| facts.shape).unwrap_or_default();
    let shape = match observed.usage {
        Some(usage) => Shape { output_tokens: usage.completion_tokens, input_tokens: usage.prompt_tokens },
        None if observed.output_events > 0 => Shape { output_tokens: observed.output_events, ..expected },
        None => expected,
    };
    let e2e = now.since(record.arrived_at);
    let ttft = observed.first_token_at.map_or(e2e, |at| at.since(record.arrived_at));
    Outcome { shape, ttft, e2e }
}

/// The pod that answers, where that is not the one that Envoy was told first; `None` too where Envoy itself answers.
fn served_by(told: &str) -> Option<SocketAddr> {
    let address = host::property("upstream\0address")?;
    if address == told.as_bytes() {
        return None;
    }
    str::from_utf8(&address).ok()?.parse().ok()
}

/// Whether the connection of the client broke off, by Envoy's response flag DC.
fn is_cut_by_client() -> bool {
    const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 0x4000;
    let flags = host::property("response\0flags").and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    flags.is_some_and(|flags| flags & DOWNSTREAM_CONNECTION_TERMINATION != 0)
}

/// Milliseconds with one digit behind the point. Most requests wait for nothing, and need no formatting.
fn tenths_of_ms(span: Duration) -> Cow<'static, str> {
    let tenths = span.as_micros().saturating_add(50).checked_div(100).unwrap_or_default();
    if tenths == 0 {
        return Cow::Borrowed("0.0");
    }
    let (whole, tenth) = (tenths.checked_div(10).unwrap_or_default(), tenths.checked_rem(10).unwrap_or_default());
    Cow::Owned(format!("{whole}.{tenth}"))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
