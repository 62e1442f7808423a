//! How often this VM gave way to a claim that was not taken up.
//!
//! A claim describes what would be placed, not all that its policy considers. Where the two differ, the owner looks, places
//! nothing and claims on; giving way again and again would leave the room idle.

use std::collections::HashMap;
use std::time::Duration;

use crate::scheduling::queue::Urgency;
use crate::scheduling::time::Instant;
use crate::shared::directory::Ticket;

/// Times to give way to one claim before it is passed over.
const PATIENCE: u32 = 3;

/// How long a claim is passed over.
const PASSED_OVER_FOR: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Yields(HashMap<u8, Given>);

#[derive(Debug)]
struct Given {
    urgency: Urgency,
    times: u32,
    last: Instant,
}

// === impl Yields ===

impl Yields {
    /// Whether to give way to a claim once more; counts it if so.
    pub(super) fn grants(&mut self, ticket: Ticket, urgency: Urgency, now: Instant) -> bool {
        let given = self.0.entry(ticket.slot).or_insert(Given { urgency, times: 0, last: now });
        let is_other = given.urgency.arrival != urgency.arrival || given.urgency.latest_start != urgency.latest_start;
        if is_other || now.since(given.last) >= PASSED_OVER_FOR {
            *given = Given { urgency, times: 0, last: now };
        }
        if given.times >= PATIENCE {
            return false;
        }
        given.times += 1;
        given.last = now;
        true
    }
}
