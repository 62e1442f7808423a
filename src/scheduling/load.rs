//! Pending load: the share of a pod that a request takes while it runs.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Millionths of a pod. Integers, so that sums neither drift nor depend on the order of additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Load(u32);

/// Largest shortfall of a product of floats from the whole number that it stands for.
const FLOAT_NOISE_MICRO: f64 = 1e-6;

// === impl Load ===

impl Load {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// All that a pod sustains within its SLO: capacity 1.0.
    pub const CAPACITY: Self = Self(1_000_000);

    /// From millionths of a pod.
    pub const fn from_micro(micro: u32) -> Self {
        Self(micro)
    }

    /// Millionths of a pod.
    pub const fn as_micro(self) -> u32 {
        self.0
    }

    /// The load of one request where a pod sustains `concurrency` of them at once, at most 1.0: an
    /// idle pod always takes one. Rounded down, so that a pod takes as many as it sustains: 6 of
    /// 166,667 millionths would not fit. `None` unless `concurrency` is positive and finite.
    pub fn of_one_in(concurrency: f64) -> Option<Self> {
        (concurrency.is_finite() && concurrency > 0.0)
            .then(|| Self(((1e6 / concurrency + FLOAT_NOISE_MICRO).min(1e6) as u32).max(1)))
    }

    /// As a share of a pod: 1.0 is its capacity.
    pub fn as_share(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// Returns `true` if `self` and `more` together stay within a pod's capacity.
    pub fn fits(self, more: Self) -> bool {
        self + more <= Self::CAPACITY
    }

    /// One of so many equal parts, rounded up: a part of what holds six requests holds them whole.
    pub fn share(self, parts: u32) -> Self {
        let parts = parts.max(1);
        Self(self.0.checked_next_multiple_of(parts).and_then(|whole| whole.checked_div(parts)).unwrap_or(self.0))
    }

    /// As much of it as is whole requests of `one`; nothing where that is nothing.
    pub fn whole(self, one: Self) -> Self {
        Self(self.0.checked_div(one.0).map_or(0, |count| count.saturating_mul(one.0)))
    }

    /// So many times as much.
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The difference, zero at least.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Load {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Load {
    fn sum<I: Iterator<Item = Self>>(loads: I) -> Self {
        loads.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_takes_as_many_requests_as_it_sustains() {
        for concurrency in 1..1000_u32 {
            let one = Load::of_one_in(f64::from(concurrency)).unwrap();
            let taken = (0..).scan(Load::ZERO, |pod, _: u32| pod.fits(one).then(|| *pod += one)).count();
            assert_eq!(taken, concurrency as usize);
        }
    }

    #[test]
    fn exactly_full_is_within_capacity() {
        let most = Load::from_micro(999_999);
        assert!(most.fits(Load::from_micro(1)));
        assert!(!most.fits(Load::from_micro(2)));
    }

    #[test]
    fn an_idle_pod_takes_any_request() {
        for concurrency in [0.1, 0.828, 1.0] {
            assert_eq!(Load::of_one_in(concurrency), Some(Load::CAPACITY), "{concurrency}");
        }
    }

    #[test]
    fn what_is_not_a_concurrency_has_no_load() {
        for concurrency in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Load::of_one_in(concurrency), None, "{concurrency}");
        }
        assert_eq!(Load::of_one_in(f64::MAX), Some(Load::from_micro(1)));
    }

    #[test]
    fn sums_stop_at_the_largest_load() {
        let loads = [Load::from_micro(u32::MAX), Load::CAPACITY];
        assert_eq!(loads.into_iter().sum::<Load>(), Load::from_micro(u32::MAX));
    }
}
