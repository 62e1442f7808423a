//! The event loop of one engine by itself.

use slo_router::scheduling::time::Instant;

use super::{Engine, Event, Prompt};

impl Engine {
    /// Serves requests (instant, prompt, output tokens) that come in order of time and are numbered from 0, until nothing is
    /// left to do. `note` is told all that happens, in order of time. `None` as soon as a request can never be served, or
    /// `note` returns it.
    pub fn serve<P: Into<Prompt>>(
        &mut self,
        requests: impl IntoIterator<Item = (Instant, P, u32)>,
        mut note: impl FnMut(Event) -> Option<()>,
    ) -> Option<()> {
        for (id, (at, prompt, output_tokens)) in (0..).zip(requests) {
            self.advance(at).into_iter().try_for_each(&mut note)?;
            self.submit(id, prompt, output_tokens, at).ok()?;
        }
        while let Some(at) = self.next_event_at() {
            self.advance(at).into_iter().try_for_each(&mut note)?;
        }
        Some(())
    }
}
