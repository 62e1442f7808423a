//! State of the exchange with other gateways.

use super::callout::send_callout;
use super::host::Host;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::time::Instant;
use crate::shared::document::SharedDocument;
use crate::sources::callout::FetchError;
use crate::sources::replicas::{GossipRound, ReplicaSource, StoreRequest};

/// Exchange with other gateways, as far as this VM has it under way.
pub(super) struct Replicas {
    pub(super) source: ReplicaSource,
    /// Holds the table of peers, which passes from VM to VM, and the right to meet.
    pub(super) document: SharedDocument,
    /// The round that this VM has under way.
    pub(super) meeting: Option<Meeting>,
}

/// A round that is under way.
pub(super) struct Meeting {
    pub(super) round: GossipRound,
    /// Instant at which it began, with what ran here then: the others know of that.
    pub(super) told_at: Instant,
    pub(super) told: PodLoads,
    pub(super) ask: StoreRequest,
    pub(super) token: u32,
}

// === impl Replicas ===

impl Replicas {
    pub(super) fn new(source: ReplicaSource) -> Self {
        let document = SharedDocument::new("replicas", source.fingerprint());
        Self { source, document, meeting: None }
    }

    /// Sends a callout; its number leads the answer back.
    pub(super) fn send(&self, host: &impl Host, ask: &StoreRequest) -> Result<u32, FetchError> {
        let callout = &self.source.callout;
        send_callout(host, callout, &ask.headers(callout), &ask.body)
    }
}
