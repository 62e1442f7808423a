//! Responses: what clients are told, what is learned, and the release of what a request took.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use super::apply::KEPT_BAD_REQUEST;
use super::headers::Headers;
use super::host::{Buffer, Host, Map};
use super::record::{Record, Stage};
use super::router::Router;
use super::stats::{Ending, NO_PODS, reason_of};
use super::verdict::Verdict;
use crate::config::DEFAULT_CLASS;
use crate::dispatcher::{End, Placement};
use crate::learning::ResponseSample;
use crate::protocol::headers::{IGNORED, POD, POLICY, REASON, WAIT_MS};
use crate::protocol::{self, Endpoint, Observed, ResponseFacts, ResponseObserver};
use crate::scheduling::prediction::Completion;
use crate::scheduling::request::RequestId;
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Outcome;
use crate::scheduling::time::Instant;
use crate::shared::health::Change;

/// Requests without an answer that are looked at in one tick: each costs two calls of the host.
const MOST_FOLLOWED: usize = 64;

impl<H: Host> Router<H> {
    /// A response's headers came.
    pub fn on_response_headers(&mut self, id: RequestId, end_of_stream: bool) {
        let Some(record) = self.streams.get_mut(id) else { return };
        record.complete |= end_of_stream;
        if matches!(record.stage, Stage::Unplaced) {
            let _ = self.host.set_header(Map::Response, REASON, NO_PODS);
        }
        if matches!(record.stage, Stage::Refused) && is_kept_bad_request(&self.host) {
            let _ = self.host.set_header(Map::Response, ":status", "400");
        }
        self.follow_retry(id);
        let Some(record) = self.streams.get_mut(id) else { return };
        let Stage::Forwarded(placement) = &mut record.stage else { return };
        let headers = self.host.headers(Map::Response);
        let status = headers.get(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
        record.status = Some(status);
        record.retry_after = retry_after(&headers);
        record.observer = Some(ResponseObserver::new(ResponseFacts {
            endpoint: record.facts.as_ref().map_or(Endpoint::Any, |facts| facts.endpoint),
            status,
            content_type: headers.get("content-type").as_deref(),
            content_encoding: headers.get("content-encoding").as_deref(),
        }));
        let set = |name: &str, value: &str| {
            // Refused only without a header map.
            let _ = self.host.set_header(Map::Response, name, value);
        };
        set(POLICY, placement.policy.as_str());
        set(WAIT_MS, &tenths_of_ms(placement.waited));
        if let Some(ignored) = &record.ignored {
            set(IGNORED, ignored);
        }
        if let Some(unjudged) = placement.unjudged {
            set(REASON, reason_of(unjudged));
        }
        if self.config.response.show_pod {
            set(POD, &placement.address.to_string());
        }
    }

    /// Sees whether Envoy tries another pod with a request that has no answer yet: the one that
    /// failed it is known to have, before the answer comes.
    pub(super) fn follow_retries(&mut self) {
        for id in self.streams.take_unanswered(MOST_FOLLOWED) {
            if self.host.set_effective_context(id.0).is_err() {
                continue;
            }
            self.follow_retry(id);
            self.streams.note_unanswered(id);
        }
    }

    /// Charges the effective context's request to the pod that Envoy has serve it, if that is
    /// another one than before, which then has failed it.
    fn follow_retry(&mut self, id: RequestId) {
        let Some(Stage::Forwarded(placement)) = self.streams.get_mut(id).map(|record| &mut record.stage) else {
            return;
        };
        let Some(address) =
            served_by(&self.host, &placement.destination).filter(|address| *address != placement.address)
        else {
            return;
        };
        let failed = std::mem::replace(&mut placement.address, address);
        if self.dispatcher.served_by(id, address, self.host.now()) == Some(Change::Out) {
            log::warn!(
                "slo-router: pod {failed} is taken out: Envoy went on to {address} with a request that was sent to it; a request \
                 probes it from time to time"
            );
        }
        self.hasten_pods();
    }

    /// A part of a response's body passes.
    pub fn on_response_body(&mut self, id: RequestId, size: usize, end_of_stream: bool) {
        let Some(record) = self.streams.get_mut(id) else { return };
        record.complete |= end_of_stream;
        let Some(observer) = record.observer.as_mut().filter(|observer| size > 0 && observer.is_read()) else { return };
        if let Some(chunk) = self.host.buffer(Buffer::ResponseBody, 0, size) {
            let now = if observer.is_timed() { self.host.now() } else { record.arrived_at };
            observer.feed(&chunk, now);
            let names_response = !record.is_noted && observer.response_id().is_some();
            if self.looks_at_runs && observer.is_timed() {
                let so_far = observer.output_so_far();
                let tokens = match &record.facts {
                    Some(facts) if so_far.told_tokens == 0 => {
                        facts.of_each(self.dispatcher.learned().tokens_of_events(facts.label.name(), so_far.events))
                    }
                    Some(facts) => facts.of_each(so_far.least_tokens()),
                    None => so_far.least_tokens(),
                };
                self.dispatcher.progress(id, tokens, now);
            }
            if names_response {
                self.note_response(id);
            }
        }
    }

    /// A response ended in trailers.
    pub fn on_response_trailers(&mut self, id: RequestId) {
        if let Some(record) = self.streams.get_mut(id) {
            record.complete = true;
        }
    }

    /// A stream ended, however it did. Nothing may be forwarded here.
    pub fn on_stream_end(&mut self, id: RequestId) {
        let Some(mut record) = self.streams.remove(id) else { return };
        let now = self.host.now();
        match std::mem::replace(&mut record.stage, Stage::Refused) {
            Stage::Waiting => self.dispatcher.cancel(id, now),
            Stage::Forwarded(placement) => self.finish(*record, &placement, now),
            Stage::Reading { .. } | Stage::Naming { .. } | Stage::Early(_) | Stage::Unplaced | Stage::Refused => {}
        }
    }

    fn finish(&mut self, mut record: Record, placement: &Placement, now: Instant) {
        let sent_at = record.arrived_at.after(placement.waited);
        let observer = record.observer.take();
        let lacks_model = observer.as_ref().is_some_and(|observer| names_model(observer.refusal()));
        let observed = observer.map(|observer| observer.finish(record.complete)).unwrap_or_default();
        let verdict = Verdict::of(&self.host, &record, &observed, lacks_model, now.since(sent_at));
        let (end, ending) = match verdict {
            Verdict::Ended(end, ending) => (end, ending),
            Verdict::Answered => {
                let outcome = self.outcome(&record, &observed, now);
                self.learn(&record, &observed, now);
                self.stats.cached(outcome.cached_tokens.unwrap_or_default());
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
        if record.complete && !matches!(record.status, None | Some(500..)) {
            self.connections.give(placement.address);
        }
        let class = record.facts.as_ref().and_then(|facts| facts.class);
        let class_name =
            class.and_then(|class| self.config.classes.get(class)).map_or(DEFAULT_CLASS, |class| &class.name);
        self.stats.ended((class, class_name), placement.policy, ending);
        if matches!(end, End::PodFailed) {
            self.hasten_pods();
        }
        if let Some(change) = self.dispatcher.finish(record.id, &end, now) {
            tell(&record, placement, &observed, change, now);
        }
    }

    fn learn(&mut self, record: &Record, observed: &Observed, now: Instant) {
        let Some(facts) = &record.facts else { return };
        let usage = observed.usage;
        let (told, prompts) = (usage.generated(facts.choices), usage.prompts(facts.choices));
        let output = told.map(|told| told.max(observed.output_events)).or_else(|| {
            (observed.output_events > 0)
                .then(|| self.dispatcher.learned().tokens_of_events(facts.label.name(), observed.output_events))
        });
        let completion = output.filter(|_| facts.endpoint.has_output()).map(|output| Completion {
            input_tokens: prompts.unwrap_or(facts.shape.input_tokens),
            output_tokens: facts.of_each(output),
            completed_at: now,
        });
        let sample = ResponseSample {
            completion,
            prompt_tokens: prompts,
            characters: facts.characters,
            bytes: facts.bytes,
            events: told.filter(|_| observed.output_events > 0).map(|told| (observed.output_events, told)),
        };
        if completion.is_some() || prompts.is_some() {
            let label = self.answered_label(&facts.model, now);
            self.dispatcher.learned().record(&label, sample);
        }
    }

    /// Returns the result that the client saw; where the server did not say how much it generated,
    /// what passed or was expected stands for it.
    fn outcome(&mut self, record: &Record, observed: &Observed, now: Instant) -> Outcome {
        let usage = observed.usage;
        let mut shape = Shape::default();
        if let Some(facts) = &record.facts {
            let seen = observed.output_events;
            let output = match usage.generated(facts.choices) {
                Some(told) => told.max(seen),
                None if seen > 0 => self.dispatcher.learned().tokens_of_events(facts.label.name(), seen),
                None => facts.shape.output_tokens,
            };
            shape.output_tokens = facts.of_each(output);
            shape.input_tokens = usage.prompts(facts.choices).unwrap_or(facts.shape.input_tokens);
        }
        let e2e = now.since(record.arrived_at);
        let ttft = observed.first_token_at.map_or(e2e, |at| at.since(record.arrived_at));
        Outcome { shape, cached_tokens: usage.cached_tokens, ttft, e2e }
    }
}

/// Logs what became of a pod, once.
fn tell(record: &Record, placement: &Placement, observed: &Observed, change: Change, now: Instant) {
    let pod = placement.address;
    let model = record.facts.as_ref().map(|facts| facts.model.as_str()).unwrap_or_default();
    match change {
        Change::Out => {
            let status = record.status.unwrap_or_default();
            let why = match (record.status, observed.end) {
                (None, _) => "says nothing while others answer".to_owned(),
                (Some(500..), _) => format!("answered {status}, or could not be reached"),
                (_, protocol::ResponseEnd::Faulty(_)) => format!("told an error within a {status}"),
                (_, protocol::ResponseEnd::Cut | protocol::ResponseEnd::Whole) => "broke off".to_owned(),
            };
            log::warn!("slo-router: pod {pod} is taken out: it {why}; a request probes it from time to time");
        }
        Change::Full(time) => {
            log::info!("slo-router: pod {pod} says that it is full; it gets nothing for {} ms", time.as_millis());
        }
        Change::Lacks => log::warn!("slo-router: pod {pod} has not got the model {model:?}, which it is said to serve"),
        Change::Back(since) => {
            log::info!("slo-router: pod {pod} is back, {} s after it was taken out", now.since(since).as_secs());
        }
        Change::Noted => {}
    }
}

/// Returns `true` if a 404 is one for want of a model, not one for want of a path, as FastAPI,
/// llama-server and others write those, or of a stored response, as vLLM and SGLang do.
fn names_model(refusal: &[u8]) -> bool {
    const OF_OTHERS: [&[u8]; 5] =
        [br#""Not Found""#, b"File Not Found", b"404 page not found", b"<html", b"Response with id"];
    !OF_OTHERS.iter().any(|text| refusal.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text)))
}

/// The pod that answers, where that is not the one that Envoy was told first; `None` too where
/// Envoy itself answers.
fn served_by(host: &impl Host, told: &str) -> Option<SocketAddr> {
    let address = host.property("upstream\0address")?;
    if address == told.as_bytes() {
        return None;
    }
    str::from_utf8(&address).ok()?.parse().ok()
}

/// Returns `true` if the answer is the filter's own, whose status stands for another.
fn is_kept_bad_request(host: &impl Host) -> bool {
    host.headers(Map::Response).get(":status").is_some_and(|status| status.parse() == Ok(KEPT_BAD_REQUEST))
}

/// Returns the time for which a pod says that it has no room, in seconds or milliseconds; dates are
/// not read.
fn retry_after(headers: &Headers) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1_000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Milliseconds with one digit behind the point. Most requests wait for nothing, and need no
/// formatting.
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
