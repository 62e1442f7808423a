//! Servers of requests, as the simulation sees them.

use slo_router::scheduling::time::Instant;

use crate::engine::{Engine, Event, Prompt, RequestId, SubmitError};

/// A model server in virtual time.
pub trait Server {
    /// Takes a request at `now`.
    ///
    /// # Errors
    /// Where it can never serve it.
    fn submit(&mut self, id: RequestId, prompt: Prompt, output_tokens: u32, now: Instant) -> Result<(), SubmitError>;

    /// Returns the instant of the next event; `None` while it is idle.
    fn next_event_at(&self) -> Option<Instant>;

    /// Moves time on to `to`; what happened until then, in order of time.
    fn advance(&mut self, to: Instant) -> Vec<Event>;
}

impl Server for Engine {
    fn submit(&mut self, id: RequestId, prompt: Prompt, output_tokens: u32, now: Instant) -> Result<(), SubmitError> {
        Self::submit(self, id, prompt, output_tokens, now)
    }

    fn next_event_at(&self) -> Option<Instant> {
        Self::next_event_at(self)
    }

    fn advance(&mut self, to: Instant) -> Vec<Event> {
        Self::advance(self, to)
    }
}
