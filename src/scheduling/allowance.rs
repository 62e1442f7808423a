//! What one gateway may take of a pod's room where several gateways take from it, each seeing late what the others took.
//!
//! Between two looks at the others a gateway takes its share of the room that it saw free, so that all of them together take
//! no more than there was; less what the others may have taken that it did not see, since at their last look they did
//! not see what it took itself. Once in a while it takes one request in any case, or a room smaller than one request for
//! each gateway would stay empty. So a pod gets about one request too many from each other gateway, at most.

use super::load::Load;

/// See the module. The default allows anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    left: Load,
    /// Whether one request is allowed, whatever is left.
    one: bool,
}

// === impl Allowance ===

impl Allowance {
    /// Where this gateway ran `told` on a pod and the others `elsewhere` when it last looked, and runs `own` now. It had
    /// `earlier` when it looked the time before.
    pub fn between_looks(told: Load, earlier: Load, elsewhere: Load, own: Load, gateways: u32) -> Self {
        let taken = told.minus(earlier);
        // Each of the others saw this room and what was taken of it since, and took its share.
        let unseen = taken.minus(taken.share(gateways));
        let free = Load::CAPACITY.minus(told + elsewhere);
        let left = (told + free.share(gateways).minus(unseen)).minus(own);
        Self { left, one: taken == Load::ZERO && own <= told }
    }

    /// Where what the others run is unknown, and this gateway runs `now`: its share of the pod. A pod that is its `own`
    /// takes one request in any case, or one that needs more than a share would find no pod at all.
    pub fn apart(now: Load, gateways: u32, own: bool) -> Self {
        Self { left: Load::CAPACITY.share(gateways).minus(now), one: own && now == Load::ZERO }
    }

    /// Whether so much may be taken.
    pub fn allows(self, load: Load) -> bool {
        self.one || load <= self.left
    }

    /// Notes that so much was.
    pub fn take(&mut self, load: Load) {
        *self = Self { left: self.left.minus(load), one: false };
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: Load::from_micro(u32::MAX), one: true }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micro(micro: u32) -> Load {
        Load::from_micro(micro)
    }

    /// What gateways with endless demand for requests of `load` run after some looks, each in its turn.
    fn filled(gateways: usize, load: Load, turns: usize) -> Load {
        let count = u32::try_from(gateways).unwrap();
        let (mut own, mut told) = (vec![Load::ZERO; gateways], vec![[Load::ZERO; 2]; gateways]);
        for turn in 0..turns {
            let looks = turn % gateways;
            told[looks] = [own[looks], told[looks][0]];
            for taker in 0..gateways {
                let elsewhere: Load = (0..gateways).filter(|other| *other != taker).map(|other| told[other][0]).sum();
                let [last, earlier] = told[taker];
                let mut allowance = Allowance::between_looks(last, earlier, elsewhere, own[taker], count);
                while (own[taker] + elsewhere).fits(load) && allowance.allows(load) {
                    allowance.take(load);
                    own[taker] += load;
                }
            }
        }
        own.into_iter().sum()
    }

    #[test]
    fn a_gateway_that_is_alone_takes_all_there_is() {
        let allowance = Allowance::between_looks(micro(250_000), Load::ZERO, Load::ZERO, micro(250_000), 1);
        assert!(allowance.allows(micro(750_000)));
    }

    #[test]
    fn what_ended_since_the_last_look_may_be_taken_again() {
        let allowance = Allowance::between_looks(micro(500_000), micro(500_000), micro(500_000), micro(300_000), 4);
        assert!(allowance.allows(micro(200_000)));
    }

    #[test]
    fn apart_each_keeps_to_its_share() {
        let one = Load::of_one_in(6.0).unwrap();
        for (gateways, expected) in [(1, 6), (2, 3), (3, 2), (4, 1), (7, 0)] {
            let mut allowance = Allowance::apart(Load::ZERO, gateways, false);
            let taken = (0..10)
                .take_while(|_| {
                    allowance.allows(one) && {
                        allowance.take(one);
                        true
                    }
                })
                .count();
            assert_eq!(taken, expected, "{gateways}");
        }
    }

    #[test]
    fn apart_a_request_that_needs_more_than_a_share_goes_to_an_idle_pod_of_ones_own() {
        assert!(Allowance::apart(Load::ZERO, 4, true).allows(Load::CAPACITY));
        assert!(!Allowance::apart(Load::ZERO, 4, false).allows(Load::CAPACITY));
        assert!(!Allowance::apart(micro(1), 4, true).allows(Load::CAPACITY));
    }

    proptest! {
        #[test]
        fn together_they_fill_a_pod_and_overfill_it_by_a_request_each(
            gateways in 1_usize..9,
            load in 10_000_u32..=1_000_000,
            rounds in 60_usize..80,
        ) {
            let filled = filled(gateways, micro(load), gateways * rounds).as_micro();
            let whole = 1_000_000 - 1_000_000 % load;
            let most = 1_000_000 + u32::try_from(gateways - 1).unwrap() * load;
            prop_assert!((whole..=most).contains(&filled), "{}", filled);
        }
    }
}
