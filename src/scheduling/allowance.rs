//! Share of a pod's room that one gateway may take where several gateways take from it, each seeing
//! late what the others took.
//!
//! Between two polls of the others a gateway takes its share of the room that it saw free, so that
//! all of them together take no more than there was; less what the others may have taken that it
//! did not see, since at their last poll they did not see what it took itself. A share that is less
//! than a request is drawn at random, or a room for fewer requests than there are gateways would
//! stay empty.

use super::load::Load;

/// See the module. The default allows anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance(AllowanceRule);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AllowanceRule {
    #[default]
    Any,
    /// So much; or one request, if the lot is below its share of what was free, counted in requests
    /// and divided among the gateways that are active.
    Together { left: Load, free: Load, active: u32, lot: Option<Lot> },
    /// Beside what it has already: its share of the pod; where the pod is its own, also what the
    /// others' shares leave.
    Apart { own: Load, gateways: u32, is_own: bool },
}

/// Knowledge that a gateway had of a pod at its last poll of the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked {
    /// Load that it put there itself, as it reported.
    pub told: Load,
    /// Load that it had reported the time before.
    pub earlier: Load,
    /// Load that the others put there.
    pub elsewhere: Load,
    /// Number of gateways, it included.
    pub gateways: u32,
    /// Number of gateways that ran anything or had requests that waited, it included.
    pub active: u32,
    /// Drawn by this gateway for this pod and this poll.
    pub lot: Lot,
}

/// A number that is drawn at random, from 0 to below 1: in 2³² parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lot(pub u32);

// === impl Allowance ===

impl Allowance {
    /// Allowance of a gateway that saw this at its last poll, and runs `own` now.
    pub fn between_looks(looked: Looked, own: Load) -> Self {
        let Looked { told, earlier, elsewhere, gateways, active, lot } = looked;
        let taken = told.minus(earlier);
        // Each of the others saw this room and what was taken of it since, and took its share.
        let unseen = taken.minus(taken.share(gateways));
        let free = Load::CAPACITY.minus(told + elsewhere);
        let left = (told + free.share(gateways).minus(unseen)).minus(own);
        let lot = (taken == Load::ZERO && own <= told).then_some(lot);
        Self(AllowanceRule::Together { left, free, active, lot })
    }

    /// Allowance where what the others run is unknown, and this gateway runs `own`. Each pod is
    /// some gateway's own (`is_own`), for what is less than a request in each share, and for
    /// requests that need more than a share.
    pub fn apart(own: Load, gateways: u32, is_own: bool) -> Self {
        Self(AllowanceRule::Apart { own, gateways, is_own })
    }

    /// Returns `true` if so much may be taken.
    pub fn allows(self, load: Load) -> bool {
        match self.0 {
            AllowanceRule::Any => true,
            AllowanceRule::Together { left, free, active, lot } => {
                load <= left || lot.is_some_and(|lot| lot.wins(free, load, active))
            }
            AllowanceRule::Apart { own, gateways, is_own } => {
                let share = Load::CAPACITY.share(gateways);
                let others = share.whole(load).times(gateways.saturating_sub(1));
                own + load <= if is_own { Load::CAPACITY.minus(others).max(share) } else { share }
            }
        }
    }

    /// Notes that so much was.
    pub fn take(&mut self, load: Load) {
        self.0 = match self.0 {
            AllowanceRule::Any => AllowanceRule::Any,
            AllowanceRule::Together { left, free, active, .. } => {
                AllowanceRule::Together { left: left.minus(load), free, active, lot: None }
            }
            AllowanceRule::Apart { own, gateways, is_own } => {
                AllowanceRule::Apart { own: own + load, gateways, is_own }
            }
        };
    }
}

// === impl Lot ===

impl Lot {
    /// Returns `true` if it is below `free`/`load`/`active`: so that as many gateways win, on
    /// average, as there is room for.
    fn wins(self, free: Load, load: Load, active: u32) -> bool {
        let needed = u128::from(self.0) * u128::from(load.as_micro()) * u128::from(active.max(1));
        needed < u128::from(free.as_micro()) << 32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micro(micro: u32) -> Load {
        Load::from_micro(micro)
    }

    /// Load of gateways with endless demand for requests of `load` after some polls, each in its
    /// turn.
    fn filled(gateways: usize, load: Load, turns: usize) -> Load {
        let count = u32::try_from(gateways).unwrap();
        let (mut own, mut told) = (vec![Load::ZERO; gateways], vec![[Load::ZERO; 2]; gateways]);
        for turn in 0..turns {
            let looks = turn % gateways;
            told[looks] = [own[looks], told[looks][0]];
            for taker in 0..gateways {
                let elsewhere: Load = (0..gateways).filter(|other| *other != taker).map(|other| told[other][0]).sum();
                let [last, earlier] = told[taker];
                let looked = Looked { told: last, earlier, elsewhere, gateways: count, active: count, lot: Lot(0) };
                let mut allowance = Allowance::between_looks(looked, own[taker]);
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
        let looked = Looked { told: micro(250_000), gateways: 1, ..Looked::default() };
        let allowance = Allowance::between_looks(looked, micro(250_000));
        assert!(allowance.allows(micro(750_000)));
    }

    #[test]
    fn a_lot_wins_as_often_as_there_is_room() {
        let wins = |free, load, active| {
            let lots = (0..1_000_u32).map(|lot| Lot(lot * 4_294_967 + 2_147_483));
            lots.filter(|lot| lot.wins(micro(free), micro(load), active)).count()
        };
        assert_eq!(wins(166_666, 166_666, 1), 1_000);
        assert_eq!(wins(166_666, 166_666, 4), 250);
        assert_eq!(wins(499_998, 166_666, 4), 750);
        assert_eq!(wins(1_000_000, 100_000, 4), 1_000);
        assert_eq!(wins(0, 166_666, 4), 0);
    }

    #[test]
    fn what_ended_since_the_last_look_may_be_taken_again() {
        let half = micro(500_000);
        let looked = Looked { told: half, earlier: half, elsewhere: half, gateways: 4, ..Looked::default() };
        let allowance = Allowance::between_looks(looked, micro(300_000));
        assert!(allowance.allows(micro(200_000)));
    }

    /// Counts the requests that gateways take that know nothing of each other, of which the first
    /// owns the pod.
    fn apart(gateways: u32, load: Load) -> Vec<usize> {
        let taken = |gateway| {
            let mut allowance = Allowance::apart(Load::ZERO, gateways, gateway == 0);
            let takes = |_: &i32| {
                let allowed = allowance.allows(load);
                allowance.take(load);
                allowed
            };
            (0..10).take_while(takes).count()
        };
        (0..gateways).map(taken).collect()
    }

    #[test]
    fn apart_they_fill_a_pod_between_them() {
        let one = Load::of_one_in(6.0).unwrap();
        assert_eq!(apart(1, one), [6]);
        assert_eq!(apart(2, one), [3, 3]);
        assert_eq!(apart(4, one), [3, 1, 1, 1]);
        assert_eq!(apart(7, one), [6, 0, 0, 0, 0, 0, 0]);
        assert_eq!(apart(3, Load::CAPACITY), [1, 0, 0]);
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
