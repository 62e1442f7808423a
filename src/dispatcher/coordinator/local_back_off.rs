//! Count of how often this VM gave way to a claim that was not taken up.
//!
//! A claim describes what would be placed, not all that its policy considers. Where the two differ,
//! the owner looks, places nothing and claims on; giving way again and again would leave the room
//! idle.

use std::collections::HashMap;
use std::time::Duration;

use crate::scheduling::queue::Urgency;
use crate::scheduling::time::Instant;
use crate::shared::membership::FencingToken;

/// Times to give way to one claim before it is passed over.
const PATIENCE: u32 = 3;

/// Time for which a claim is passed over.
const PASSED_OVER_FOR: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LocalBackOff(HashMap<u8, Yielded>);

#[derive(Debug)]
struct Yielded {
    urgency: Urgency,
    times: u32,
    last: Instant,
}

// === impl LocalBackOff ===

impl LocalBackOff {
    /// Returns `true` if this VM is to give way to a claim once more; counts it if so.
    pub(super) fn grants(&mut self, fence: FencingToken, urgency: Urgency, now: Instant) -> bool {
        let given = self.0.entry(fence.slot).or_insert(Yielded { urgency, times: 0, last: now });
        let is_other = given.urgency.arrival != urgency.arrival || given.urgency.latest_start != urgency.latest_start;
        if is_other || now.since(given.last) >= PASSED_OVER_FOR {
            *given = Yielded { urgency, times: 0, last: now };
        }
        if given.times >= PATIENCE {
            return false;
        }
        given.times += 1;
        given.last = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);

    fn fence(slot: u8) -> FencingToken {
        FencingToken { slot, epoch: 1 }
    }

    fn claim(arrival: u64) -> Urgency {
        Urgency { late: false, latest_start: NOW, arrival: Instant::from_micros(arrival) }
    }

    fn granted(local_back_off: &mut LocalBackOff, slot: u8, claim: Urgency, now: Instant) -> usize {
        (0..10).take_while(|_| local_back_off.grants(fence(slot), claim, now)).count()
    }

    #[test]
    fn patience_with_a_claim_ends() {
        assert_eq!(granted(&mut LocalBackOff::default(), 1, claim(1), NOW), 3);
    }

    #[test]
    fn patience_is_with_each_vm_and_each_claim() {
        let mut local_back_off = LocalBackOff::default();
        assert_eq!([1, 2].map(|slot| granted(&mut local_back_off, slot, claim(1), NOW)), [3, 3]);
        assert_eq!(granted(&mut local_back_off, 1, claim(2), NOW), 3);
    }

    #[test]
    fn a_claim_that_became_late_is_the_same_claim() {
        let mut local_back_off = LocalBackOff::default();
        granted(&mut local_back_off, 1, claim(1), NOW);
        assert!(!local_back_off.grants(fence(1), Urgency { late: true, ..claim(1) }, NOW));
    }

    #[test]
    fn a_claim_is_passed_over_for_a_while_only() {
        let mut local_back_off = LocalBackOff::default();
        granted(&mut local_back_off, 1, claim(1), NOW);
        assert!(!local_back_off.grants(fence(1), claim(1), NOW.after(Duration::from_millis(99))));
        assert_eq!(granted(&mut local_back_off, 1, claim(1), NOW.after(PASSED_OVER_FOR)), 3);
    }
}
