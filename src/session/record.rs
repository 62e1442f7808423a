//! The record that travels with a request, from its headers to its end.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use super::body::Body;
use super::early::Plan;
use super::headers::Headers;
use super::intent::Wish;
use crate::dispatcher::Placement;
use crate::protocol::{Endpoint, ResponseObserver, unknown_slo_headers};
use crate::scheduling::request::RequestId;
use crate::scheduling::shape::Shape;
use crate::scheduling::subset::Subset;
use crate::scheduling::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Record {
    /// Number of the request in this VM.
    pub id: RequestId,
    /// Instant at which its headers came.
    pub arrived_at: Instant,
    /// Stage that it has reached.
    pub stage: Stage,
    /// The API that it speaks, where it is one that is scheduled.
    pub endpoint: Option<Endpoint>,
    /// Headers that look like an objective and are none, to be reported to its client.
    pub ignored: Option<Box<str>>,
    /// `true` once all of it has come.
    pub is_read: bool,
    /// Facts that were read of it, once they were.
    pub facts: Option<Facts>,
    /// Reads its response as it passes.
    pub observer: Option<ResponseObserver>,
    /// `true` once it was noted which pod holds the response.
    pub is_noted: bool,
    /// Status of the response.
    pub status: Option<u16>,
    /// `true` where it was sent into a connection that was used before.
    pub is_reused: bool,
    /// Time for which the pod said that it has no room, if it did.
    pub retry_after: Option<Duration>,
    /// `true` once the response came to its end.
    pub complete: bool,
}

/// Stage of a request.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its body is coming.
    Reading {
        /// Facts in its headers.
        wish: Wish,
        /// The part that was read.
        body: Body,
    },
    /// It waits for the first list of pods.
    Early(Plan),
    /// It will not be scheduled; its body is coming, which may name a model.
    Naming {
        /// The part that was read.
        body: Body,
        /// The pods that it may go to; `None` for all.
        subset: Option<Subset>,
    },
    /// It waits for room.
    Waiting,
    /// It was sent to a pod.
    Forwarded(Placement),
    /// It went on to a pod of Envoy's own choice.
    Unplaced,
    /// It was answered here.
    Refused,
}

/// The name under which a model's lengths are learned: all its requests have the same one, since it
/// may change while they run.
#[derive(Debug)]
pub(super) struct ModelLabel {
    /// As it was when the first of them came.
    pub first: Rc<str>,
    /// Its own, once it has that.
    pub own: OnceCell<Rc<str>>,
}

/// Facts that were read of a request: enough to learn from its response.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The model that it asks for.
    pub model: String,
    /// The name under which that model's lengths are learned.
    pub label: Rc<ModelLabel>,
    /// Position of its class in the configuration; none for the default class.
    pub class: Option<usize>,
    /// The API that it speaks.
    pub endpoint: Endpoint,
    /// Number of outputs that it asks for.
    pub choices: u32,
    /// Its prompt and the estimate of its output, all choices together.
    pub shape: Shape,
    /// Characters of its prompt, where the body was read and held nothing that cannot be measured.
    pub characters: Option<u64>,
    /// Bytes of its body, likewise.
    pub bytes: Option<u64>,
}

// === impl ModelLabel ===

impl ModelLabel {
    /// The name.
    pub(super) fn name(&self) -> &str {
        self.own.get().unwrap_or(&self.first)
    }
}

// === impl Stage ===

impl Stage {
    /// The body that is being read.
    pub(super) fn body(&mut self) -> Option<&mut Body> {
        match self {
            Self::Reading { body, .. } | Self::Naming { body, .. } => Some(body),
            _ => None,
        }
    }
}

// === impl Facts ===

impl Facts {
    /// The tokens of each output, of those of all together.
    pub(super) fn of_each(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.choices.max(1))
    }
}

// === impl Record ===

impl Record {
    /// A request whose headers came at `now`: a scheduled one, or one that is refused for them.
    pub(super) fn scheduled(id: RequestId, stage: Stage, now: Instant, endpoint: Endpoint, headers: &Headers) -> Self {
        let unknown = unknown_slo_headers(headers.names());
        let ignored = (!unknown.is_empty()).then(|| unknown.join(", ").into());
        Self { endpoint: Some(endpoint), ignored, ..Self::new(id, stage, now) }
    }

    /// Any other.
    pub(super) fn new(id: RequestId, stage: Stage, now: Instant) -> Self {
        Self {
            id,
            arrived_at: now,
            stage,
            endpoint: None,
            ignored: None,
            is_read: false,
            facts: None,
            observer: None,
            is_noted: false,
            status: None,
            is_reused: false,
            retry_after: None,
            complete: false,
        }
    }
}
