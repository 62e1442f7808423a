//! Requests that are let through although no deployment is expected to serve them in time: what is
//! refused teaches nothing, and were all refused because answers used to be long, nobody would
//! learn that they are short now.

use std::time::Duration;

use crate::scheduling::time::Instant;

/// One request is let through in such a time...
const EVERY: Duration = Duration::from_secs(1);
/// ... and one of so many, whichever comes first.
const OF_REFUSED: u32 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Probes {
    refused: u32,
    /// Instant at which the last one was let through, or the first was refused.
    since: Option<Instant>,
}

// === impl Probes ===

impl Probes {
    /// Returns `true` if the request at hand is let through.
    pub(super) fn next(&mut self, now: Instant) -> bool {
        let is_due = now.since(*self.since.get_or_insert(now)) >= EVERY;
        self.refused = self.refused.saturating_add(1);
        if !is_due && self.refused < OF_REFUSED {
            return false;
        }
        *self = Self { refused: 0, since: Some(now) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::testing::START;

    #[test]
    fn one_of_eight_is_let_through_and_one_a_second() {
        let mut probes = Probes::default();
        let let_through = |probes: &mut Probes, now| (0..10).filter(|_| probes.next(now)).count();
        assert_eq!(let_through(&mut probes, START), 1);
        assert!(!probes.next(START.after(Duration::from_millis(999))));
        assert!(probes.next(START.after(Duration::from_secs(1))));
    }
}
