//! Back-off before a request that waits in another gateway.
//!
//! That gateway cannot be woken: it sees free room at its next poll. So room is left to it for as
//! long as that takes, and no longer: a claim that was not taken up by then is passed over for a
//! while, or the room would lie idle.

use std::collections::HashMap;
use std::time::Duration;

use crate::scheduling::time::Instant;

/// Time for which a claim is passed over.
const PASSED_OVER_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PeerBackOff {
    gives_way_for: Duration,
    given: HashMap<(u64, u64), GaveWay>,
}

#[derive(Clone, Copy, Debug)]
struct GaveWay {
    first: Instant,
    last: Instant,
}

// === impl PeerBackOff ===

impl PeerBackOff {
    /// Towards gateways that meet this often. Both tell, then look: it takes up to two intervals
    /// until the other one sees the room, and two more until this one sees that it was taken.
    pub(super) fn new(interval: Duration) -> Self {
        Self { gives_way_for: interval.saturating_mul(4), given: HashMap::new() }
    }

    /// Returns `true` while this VM is to give way to a claim.
    pub(super) fn grants(&mut self, name: (u64, u64), now: Instant) -> bool {
        self.given.retain(|_, given| now.since(given.last) < PASSED_OVER_FOR);
        let given = self.given.entry(name).or_insert(GaveWay { first: now, last: now });
        if now.since(given.first) >= self.gives_way_for {
            return false;
        }
        given.last = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);

    fn after(ms: u64) -> Instant {
        NOW.after(Duration::from_millis(ms))
    }

    #[test]
    fn room_is_left_for_so_long_and_then_for_a_while_not() {
        let mut peer_back_off = PeerBackOff::new(Duration::from_millis(100));
        let granted: Vec<u64> =
            (0..9).map(|step| step * 200).filter(|ms| peer_back_off.grants((1, 1), after(*ms))).collect();
        assert_eq!(granted, [0, 200, 1200, 1400]);
    }

    #[test]
    fn each_claim_is_given_way_to() {
        let mut peer_back_off = PeerBackOff::new(Duration::from_millis(100));
        assert!(peer_back_off.grants((1, 1), NOW));
        assert!(!peer_back_off.grants((1, 1), after(400)));
        assert!(peer_back_off.grants((1, 2), after(400)));
        assert!(peer_back_off.grants((2, 1), after(400)));
    }
}
