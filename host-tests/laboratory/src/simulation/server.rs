//! Servers of requests, as the simulation sees them.

use slo_router::scheduling::time::Instant;

use crate::engine::{Engine, Event, Gauges, IterationCosts, Prompt, RequestId, SubmitError};

/// State of a server, and the part of a prompt that is in its cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// Tokens at the prompt's begin that it would not compute, were it to start on it now.
    pub cached_tokens: u32,
    /// Its load.
    pub gauges: Gauges,
    /// Least time of its iterations.
    pub iteration_costs: IterationCosts,
}

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

    /// Returns what it would tell of itself about a request with this prompt that came now.
    fn status(&self, prompt: Prompt) -> Status;
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

    fn status(&self, prompt: Prompt) -> Status {
        Status {
            cached_tokens: self.cached_tokens(prompt),
            gauges: self.gauges(),
            iteration_costs: self.iteration_costs(),
        }
    }
}
