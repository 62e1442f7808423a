//! Pods, each with a clock of the tokens that it computed: by them caches age, whatever the time.

use fnv::FnvHashMap;

use crate::scheduling::pool::{DeploymentId, PodId};

/// Tokens of one tick of a pod's clock, as a power of two. So 32 bits last for months.
const TICK_SHIFT: u32 = 6;

/// Evidence of a restart that is believed: the odds that a pod lost what it had by other ways are
/// below one in a thousand. In nats.
const RESTARTED: f32 = 7.0;

/// A pod's number within one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PodNumber(pub(super) u16);

/// A pod.
#[derive(Clone, Debug)]
pub(super) struct PodCache {
    pub(super) key: PodId,
    pub(super) deployment: DeploymentId,
    /// Tokens that it computed.
    computed: u64,
    /// It holds nothing that it touched before this tick.
    holds_since: u32,
    /// Evidence that it restarted, and the last touch of what it has lost.
    surprise: f32,
    lost: u32,
    is_gone: bool,
}

/// All pods that hold anything. A number that becomes free goes to another pod, whose clock goes on
/// where that one stood: so entries of the former are void by their age.
#[derive(Clone, Debug, Default)]
pub(super) struct PodCaches {
    pods: Vec<PodCache>,
    numbers: FnvHashMap<PodId, PodNumber>,
    free: Vec<PodNumber>,
}

// === impl PodNumber ===

impl PodNumber {
    /// No pod's.
    pub(super) const NONE: Self = Self(u16::MAX);
}

// === impl PodCache ===

impl PodCache {
    /// The pod computed so many tokens.
    pub(super) fn compute(&mut self, tokens: u64) {
        self.computed = self.computed.saturating_add(tokens);
    }

    /// Its clock now.
    pub(super) fn tick(&self) -> u32 {
        (self.computed >> TICK_SHIFT) as u32
    }

    /// Returns `true` if what it touched then counts.
    pub(super) fn holds(&self, touched: u32) -> bool {
        !self.is_gone && self.ticks_since(touched) <= self.ticks_since(self.holds_since)
    }

    /// Tokens that it computed since.
    pub(super) fn distance(&self, touched: u32) -> u64 {
        u64::from(self.ticks_since(touched)) << TICK_SHIFT
    }

    /// Forgets all that it holds.
    pub(super) fn forget(&mut self) {
        self.forget_up_to(self.tick());
    }

    /// It had what it touched then.
    pub(super) fn kept(&mut self, touched: u32) {
        // It has not restarted since: what was touched later went another way.
        if self.ticks_since(touched) >= self.ticks_since(self.lost) {
            self.surprise = 0.0;
        }
    }

    /// It had nothing left of what it touched then, which it keeps with probability `q`. Once this
    /// is likelier a restart than anything else, it forgets all that it touched up to then; returns
    /// `true` if it does.
    pub(super) fn lost(&mut self, touched: u32, q: f32) -> bool {
        let is_later = self.ticks_since(touched) < self.ticks_since(self.lost);
        if self.surprise <= 0.0 || is_later {
            self.lost = touched;
        }
        self.surprise -= (1.0 - q.clamp(0.0, 0.98)).ln();
        let has_restarted = self.surprise >= RESTARTED;
        if has_restarted {
            self.forget_up_to(self.lost);
        }
        has_restarted
    }

    fn forget_up_to(&mut self, touched: u32) {
        self.surprise = 0.0;
        self.holds_since = touched.wrapping_add(1);
        // The clock goes on behind it, so that what it touches from now on counts.
        if self.ticks_since(self.holds_since) > u32::MAX >> 1 {
            self.computed = self.computed.saturating_add(1 << TICK_SHIFT);
        }
    }

    fn ticks_since(&self, touched: u32) -> u32 {
        self.tick().wrapping_sub(touched)
    }
}

// === impl PodCaches ===

impl PodCaches {
    pub(super) fn get(&self, number: PodNumber) -> Option<&PodCache> {
        self.pods.get(usize::from(number.0))
    }

    pub(super) fn get_mut(&mut self, number: PodNumber) -> Option<&mut PodCache> {
        self.pods.get_mut(usize::from(number.0))
    }

    pub(super) fn number(&self, key: PodId) -> Option<PodNumber> {
        self.numbers.get(&key).copied()
    }

    /// The number of a pod, new or known; none once there are too many.
    pub(super) fn enter(&mut self, key: PodId, deployment: DeploymentId) -> Option<PodNumber> {
        if let Some(number) = self.number(key) {
            if let Some(pod) = self.get_mut(number) {
                pod.deployment = deployment;
            }
            return Some(number);
        }
        let number = match self.free.pop() {
            Some(number) => {
                let pod = self.get_mut(number)?;
                pod.forget();
                (pod.key, pod.deployment, pod.is_gone) = (key, deployment, false);
                number
            }
            None => {
                let number =
                    u16::try_from(self.pods.len()).ok().map(PodNumber).filter(|next| *next != PodNumber::NONE)?;
                let (computed, holds_since) = (0, 0);
                let pod = PodCache { key, deployment, computed, holds_since, surprise: 0.0, lost: 0, is_gone: false };
                self.pods.push(pod);
                number
            }
        };
        self.numbers.insert(key, number);
        Some(number)
    }

    /// Keeps only these.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(PodId) -> bool) {
        let Self { pods, numbers, free } = self;
        numbers.retain(|key, number| {
            let stays = is_kept(*key);
            if !stays {
                free.push(*number);
                if let Some(pod) = pods.get_mut(usize::from(number.0)) {
                    pod.is_gone = true;
                }
            }
            stays
        });
    }
}
