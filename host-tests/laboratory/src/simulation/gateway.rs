//! Gateway between arrivals and servers.

use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use crate::engine::Prompt;
use crate::simulation::scenario::Demand;
use crate::simulation::server::Server;

/// A request's number: its position among the arrivals of the run.
pub type RequestNumber = u32;

/// Something that decides where requests go, and when.
pub trait Gateway {
    /// Sees the servers right before a request with this prompt comes: for baselines that servers
    /// report to, or that know more than any gateway.
    fn observe(&mut self, _prompt: Prompt, _servers: &[Box<dyn Server>]) {}

    /// A request came; it waits unless a verdict names it.
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict>;

    /// Returns the tokens of its prompt that a request which was just placed is expected to find in
    /// the cache of its pod; `None` where nothing is expected of caches.
    fn expected_cached_tokens(&self, _id: RequestNumber) -> Option<u32> {
        None
    }

    /// A request's answer has so many tokens now.
    fn token(&mut self, _id: RequestNumber, _output_tokens: u32, _now: Instant) {}

    /// A request's answer is complete.
    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant);

    /// Returns the instant at which it next acts by itself.
    fn next_event_at(&self) -> Option<Instant> {
        None
    }

    /// Acts on what is due at `now`.
    fn advance(&mut self, _now: Instant) -> Vec<Verdict> {
        Vec::new()
    }

    /// Returns `true` if it promises that no pod ever holds more than its capacity.
    fn keeps_capacity(&self) -> bool {
        false
    }

    /// After all requests have ended: what it still holds, in words; `None` if that is nothing, as it must be.
    fn leftovers(&mut self, _now: Instant) -> Option<String> {
        None
    }
}

/// Decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the pod at this position, and takes this much of it.
    Place(RequestNumber, usize, Load),
    /// It is refused.
    Refuse(RequestNumber, RefusalReason),
}

// === impl Verdict ===

impl Verdict {
    /// Returns the request that it is on.
    pub fn request(&self) -> RequestNumber {
        let (Self::Place(request, ..) | Self::Refuse(request, _)) = *self;
        request
    }
}
