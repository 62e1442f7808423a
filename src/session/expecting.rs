//! Requests that come before the first list of pods: they wait for it. A gateway that was just
//! started has asked for its pods already, and to fail what comes until they are named would make
//! every start an outage.

use std::time::Duration;

use super::early::Plan;
use super::host::Host;
use super::router::{Next, Router};
use crate::dispatcher::MOST_ACTIONS;
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;

/// The longest that a request waits for the first list of pods: `queue.max_wait`, and not more than
/// this.
const PATIENCE: Duration = Duration::from_secs(5);

impl<H: Host> Router<H> {
    /// Returns `true` if a request that came then may wait for the first list of pods.
    pub(super) fn may_expect_pods(&self, arrived_at: Instant, now: Instant) -> bool {
        let is_first_in_time = now.since(arrived_at) < PATIENCE.min(self.config.queue.max_wait);
        is_first_in_time
            && self.streams.early_count() < usize::try_from(self.config.queue.max_requests).unwrap_or(usize::MAX)
    }

    /// Holds a request until the first list of pods.
    pub(super) fn expect_pods(&mut self, id: RequestId, plan: Plan, now: Instant) -> Next {
        self.streams.hold_early(id, plan, now);
        self.adjust_tick();
        Next::Wait
    }

    /// Lets go what waited for the first list of pods, once it is there or was waited for long
    /// enough.
    pub(super) fn release_early(&mut self, now: Instant) {
        // Each resumes a stream, and Envoy runs what follows from each nested on one stack.
        for _ in 0..MOST_ACTIONS {
            let Some(arrived_at) = self.streams.first_early() else { return };
            let is_overdue = now.since(arrived_at) >= PATIENCE.min(self.config.queue.max_wait);
            if self.pods_are_unknown() && !is_overdue {
                return;
            }
            let Some((id, plan)) = self.streams.take_early() else { continue };
            if self.host.set_effective_context(id.0).is_err() {
                continue;
            }
            let next = match plan {
                Plan::Pass(model, subset) => {
                    self.streams.remove(id);
                    self.pass_now(id, model, subset, now)
                }
                Plan::Schedule(wish, said) => self.schedule(id, *wish, said.map(|said| *said), now),
            };
            if next == Next::Go {
                let _ = self.host.resume_request();
            }
        }
    }
}
