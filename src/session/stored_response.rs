//! Requests that go on from a response that a server stores. It does so in its own memory: only the
//! pod that gave the response has it.

use super::host::Host;
use super::record::Stage;
use super::router::Router;
use crate::protocol::Ask;
use crate::scheduling::pool::{Model, PodId};
use crate::scheduling::prefix::StoredResponse;
use crate::scheduling::request::RequestId;
use crate::scheduling::subset::Subset;
use crate::shared::responses::{holder_of, note_holder};

impl<H: Host> Router<H> {
    /// Notes which pod gives a response, as soon as its id has come: before the client has it.
    pub(super) fn note_response(&mut self, id: RequestId) {
        let Some((record, key)) = self.streams.get_mut(id).zip(self.prompt_secret) else { return };
        let Stage::Forwarded(placement) = &record.stage else { return };
        let Some(response) = record.observer.as_ref().and_then(|observer| observer.response_id()) else { return };
        let response = StoredResponse::of(key, response.as_str());
        note_holder(&self.host, &self.keys, response, PodId::of(placement.address));
        record.is_noted = true;
    }

    /// Returns the pod that gave the response from which a request goes on; `None` where that is
    /// not known, or is none of those that may serve the request.
    pub(super) fn pod_of_previous(&self, ask: Option<&Ask>, model: &Model, among: Option<&Subset>) -> Option<Subset> {
        let (previous, key) = ask?.previous_response.as_ref().zip(self.prompt_secret)?;
        let holder = holder_of(&self.host, &self.keys, StoredResponse::of(key, previous.as_str()))?;
        let pool = self.dispatcher.pool();
        let position = pool.position(holder)?;
        let may_serve = pool.audience_within(model, among).contains(position);
        pool.pods().get(position).filter(|_| may_serve).map(|pod| Subset::only(pod.address))
    }
}
