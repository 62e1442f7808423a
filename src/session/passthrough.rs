//! Requests that are not scheduled or cannot be yet.

use super::body::Body;
use super::early::Plan;
use super::host::Host;
use super::intent::Passing;
use super::record::{Record, Stage};
use super::router::{Next, Router};
use crate::protocol::Refusal;
use crate::scheduling::pool::Model;
use crate::scheduling::request::RequestId;
use crate::scheduling::subset::Subset;
use crate::scheduling::time::Instant;

impl<H: Host> Router<H> {
    /// Passes a request that is not scheduled to a pod of the fallback policy's choice, or to
    /// Envoy's own balancing. Where the pods serve different models and its body names one, it is
    /// held until the name has come.
    pub(super) fn pass_by(&mut self, id: RequestId, passing: Passing, subset: Option<Subset>, now: Instant) -> Next {
        let Passing { model, body } = passing;
        if self.pods_are_unknown() && self.may_expect_pods(now, now) {
            return self.expect_pods(id, Plan::Pass(model, subset), now);
        }
        match body.filter(|_| self.dispatcher.pool().tells_models_apart()) {
            Some(body) => {
                let stage = Stage::Naming { body: Body::naming(body), subset };
                self.streams.insert(Record::new(id, stage, now));
                self.adjust_tick();
                Next::Wait
            }
            None => self.pass_now(id, model, subset, now),
        }
    }

    /// Sends on what is not scheduled, whatever is known of the pods.
    pub(super) fn pass_now(
        &mut self,
        id: RequestId,
        model: Option<String>,
        subset: Option<Subset>,
        now: Instant,
    ) -> Next {
        let is_narrowed = subset.is_some();
        let model = model.map(|name| {
            let base = self.config.models.get(&name).and_then(|known| known.base.clone());
            Model { name, base }
        });
        match self.dispatcher.pick(model, subset, now) {
            Some((pod, alternatives)) => self.name_pods(&pod, &alternatives),
            // Envoy's own choice would not know of the hint.
            None if is_narrowed => return self.refuse_record(id, &Refusal::NoReadyPod),
            None => {}
        }
        self.stats.passed();
        Next::Go
    }

    /// Returns `true` while nothing is known of the pods: their source has not answered so far. One
    /// that answered that there are none is believed.
    pub(super) fn pods_are_unknown(&self) -> bool {
        self.sources.awaits_pods() && self.dispatcher.pool().pods().is_empty()
    }

    /// Answers whoever asks whether requests can be placed: 200 once the source of pods has
    /// answered, 503 before.
    pub(super) fn tell_readiness(&mut self, id: RequestId, now: Instant) -> Next {
        self.streams.insert(Record::new(id, Stage::Refused, now));
        let (status, body) = if self.pods_are_unknown() {
            (503, r#"{"ready":false,"reason":"the source of pods has not answered yet"}"#.to_owned())
        } else {
            (200, format!(r#"{{"ready":true,"pods":{}}}"#, self.dispatcher.pool().pods().len()))
        };
        let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
        let _ = self.host.send_reply(status, &headers, body.as_bytes(), "slo_router_readiness");
        Next::Wait
    }

    /// A request goes where Envoy's own balancing sends it, since no pod is known.
    pub(super) fn go_unplaced(&mut self, id: RequestId, subset: Option<&Subset>) -> Next {
        if subset.is_some() {
            // Envoy's own choice would not know of the hint.
            return self.refuse_record(id, &Refusal::NoReadyPod);
        }
        if let Some(record) = self.streams.get_mut(id) {
            record.stage = Stage::Unplaced;
        }
        self.stats.unplaced();
        Next::Go
    }
}
