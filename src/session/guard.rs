//! Notices an Envoy that never shows bodies. Without `allow_on_headers_stop_iteration` a filter
//! that waits for a body after its headers waits for ever; Istio's own resources cannot set that
//! flag.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;

/// Longest wait for a body in a VM that has never seen one.
const PATIENCE: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Once a body was seen, bodies come, however slowly.
    seen: bool,
    warned: bool,
    watched: BTreeMap<RequestId, Instant>,
}

// === impl Guard ===

impl Guard {
    /// A request waits for its body.
    pub(super) fn watch(&mut self, id: RequestId, now: Instant) {
        if !self.seen {
            self.watched.insert(id, now);
        }
    }

    /// A body came.
    pub(super) fn body_seen(&mut self) {
        self.seen = true;
        self.watched.clear();
    }

    /// A request does not wait any more.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.watched.remove(&id);
    }

    /// Returns `true` while a request waits for the first body.
    pub(super) fn is_watching(&self) -> bool {
        !self.watched.is_empty()
    }

    /// The requests that have waited too long. Warns, once.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<RequestId> {
        let overdue = self.watched.iter().filter(|(_, since)| now.since(**since) >= PATIENCE);
        let overdue: Vec<RequestId> = overdue.map(|(id, _)| *id).collect();
        for id in &overdue {
            self.watched.remove(id);
        }
        if !overdue.is_empty() && !self.warned {
            self.warned = true;
            log::warn!(
                "slo-router: no request body came within {} ms, so requests go on by their headers; for \
                 `request.inspect: body` the plugin needs `allow_on_headers_stop_iteration: true` (Envoy 1.35 or newer)",
                PATIENCE.as_millis()
            );
        }
        overdue
    }
}
