//! Doing what the dispatcher decided: requests are forwarded, resumed and answered.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use super::host::{Host, Map};
use super::record::Stage;
use super::router::{Next, Router};
use crate::dispatcher::{Action, Placement, RefusalReason, RetryAfter};
use crate::protocol::Refusal;
use crate::protocol::headers::IGNORED;
use crate::scheduling::request::RequestId;

/// Envoy closes an HTTP/1.1 connection on which it answers 400 itself, as after a message that it
/// could not read. Where the request was read whole, it is given this status instead, and the right
/// one when the answer's headers pass.
pub(super) const KEPT_BAD_REQUEST: u16 = 422;
const BAD_REQUEST: u16 = 400;

/// Clients are told whole seconds, so that a spread must be some of them.
const LEAST_SPREAD: Duration = Duration::from_secs(3);

/// The pod and those to try after it, as one header names them.
fn named<'a>(pod: &'a str, alternatives: &[SocketAddr]) -> Cow<'a, str> {
    if alternatives.is_empty() {
        return Cow::Borrowed(pod);
    }
    let others = alternatives.iter().map(|other| format!(",{other}"));
    std::iter::once(pod.to_owned()).chain(others).collect()
}

impl<H: Host> Router<H> {
    /// Does what the dispatcher decided. `own` is the stream whose callback runs; the answer is for
    /// it.
    pub(super) fn perform(&mut self, actions: Vec<Action>, own: Option<RequestId>) -> Next {
        let mut next = Next::Wait;
        let mut effective = own;
        for action in actions {
            let (Action::Forward(id, _) | Action::Refuse(id, ..)) = &action;
            let (id, is_own) = (*id, Some(*id) == own);
            if effective != Some(id) && self.host.set_effective_context(id.0).is_err() {
                // The stream is gone; its end was or will be told.
                continue;
            }
            effective = Some(id);
            match action {
                Action::Forward(_, placement) => {
                    self.forward(id, placement);
                    if is_own {
                        next = Next::Go;
                    } else {
                        let _ = self.host.resume_request();
                    }
                }
                Action::Refuse(_, reason, retry_after) => {
                    let refusal = self.refusal(id, reason, retry_after);
                    self.refuse_record(id, &refusal);
                }
            }
        }
        if let Some(own) = own.filter(|_| effective != own) {
            let _ = self.host.set_effective_context(own.0);
        }
        self.adjust_tick();
        next
    }

    /// Returns how a request was placed that was sent to a pod and has not ended.
    pub fn placement(&self, id: RequestId) -> Option<&Placement> {
        match &self.streams.get(id)?.stage {
            Stage::Forwarded(placement) => Some(placement),
            _ => None,
        }
    }

    fn forward(&mut self, id: RequestId, placement: Placement) {
        // Headers must be set before the request goes on: afterwards they are gone.
        self.name_pods(&placement.destination, &placement.alternatives);
        self.streams.note_unanswered(id);
        let prompt_tokens =
            self.streams.get(id).and_then(|record| record.facts.as_ref()).map_or(0, |facts| facts.shape.input_tokens);
        self.stats.placed(&placement, prompt_tokens);
        if let Some(record) = self.streams.get_mut(id) {
            record.is_reused = self.connections.take(placement.address);
            record.stage = Stage::Forwarded(placement);
        }
    }

    /// Names to Envoy the pod of the effective context's request, and those that a retry should
    /// try.
    pub(super) fn name_pods(&self, pod: &str, alternatives: &[SocketAddr]) {
        let upstream = &self.config.upstream;
        if upstream.alternative_headers.is_empty() {
            let _ = self.host.set_header(Map::Request, &upstream.header, &named(pod, alternatives));
            return;
        }
        let _ = self.host.set_header(Map::Request, &upstream.header, pod);
        for (header, address) in upstream.alternative_headers.iter().zip(alternatives) {
            let _ = self.host.set_header(Map::Request, header, &address.to_string());
        }
    }

    /// Draws the time after which to come again, at random between the time that it takes and twice
    /// that: many who are refused at once must not come back together.
    fn spread(&mut self, retry_after: Duration) -> Duration {
        let most = retry_after.max(LEAST_SPREAD).as_secs_f64();
        retry_after.saturating_add(Duration::from_secs_f64(self.jitter.f64() * most))
    }

    fn refusal(&mut self, id: RequestId, reason: RefusalReason, retry_after: RetryAfter) -> Refusal {
        let retry_after = self.spread(retry_after.unwrap_or_default());
        let record = self.streams.get(id);
        match reason {
            RefusalReason::UnknownModel => Refusal::ModelUnknown {
                model: record.and_then(|record| Some(record.facts.as_ref()?.model.clone())).unwrap_or_default(),
            },
            RefusalReason::NoReadyPod => Refusal::NoReadyPod,
            RefusalReason::Infeasible => Refusal::Infeasible,
            RefusalReason::QueueFull => Refusal::QueueFull { retry_after },
            RefusalReason::Late => Refusal::Late { retry_after },
            RefusalReason::WaitedTooLong => {
                let waited = record.map(|record| self.host.now().since(record.arrived_at)).unwrap_or_default();
                Refusal::WaitedTooLong { waited, retry_after }
            }
        }
    }

    /// Answers the effective context's request.
    pub(super) fn refuse_record(&mut self, id: RequestId, refusal: &Refusal) -> Next {
        self.stats.refused(refusal.code());
        if matches!(refusal, Refusal::NoReadyPod) {
            self.hasten_pods();
        }
        let record = self.streams.get_mut(id);
        let endpoint = record.as_ref().and_then(|record| record.endpoint);
        let reply = refusal.reply(endpoint);
        let mut headers: Vec<(&str, &str)> =
            reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ignored = record.and_then(|record| {
            record.stage = Stage::Refused;
            record.ignored.clone()
        });
        headers.extend(ignored.as_deref().map(|ignored| (IGNORED, ignored)));
        let is_kept = reply.status == BAD_REQUEST && self.streams.get(id).is_some_and(|record| record.is_read);
        let status = if is_kept { KEPT_BAD_REQUEST } else { reply.status };
        let _ = self.host.send_reply(status, &headers, &reply.body, "slo_router");
        Next::Wait
    }
}
