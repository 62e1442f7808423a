//! Duration of iterations, relative to the server's costs.

use std::time::Duration;

use slo_router::scheduling::time::Instant;

use super::draw::{Draw, Purpose};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tempo {
    /// Times what the costs say: 1.3 is a server that is 30 % slower than its like.
    pub factor: f64,
    /// Standard deviation of an iteration's time, relative to its mean; uniformly distributed, so at most 0.57.
    pub jitter: f64,
    /// Iterations that are held up.
    pub hiccups: Option<Hiccups>,
    /// A time in which the server is slower than otherwise.
    pub slow_spell: Option<SlowSpell>,
    /// Times in which it is slower or faster, one after the other.
    pub moods: Option<Moods>,
}

/// Iterations that are held up now and then: garbage collection, a preempted process, a clock that throttles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hiccups {
    /// Mean busy time between two.
    pub every: Duration,
    /// Time that is added to the iteration.
    pub length: Duration,
}

/// A noisy neighbour, say: iterations that start in this time take longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowSpell {
    /// Its begin.
    pub from: Instant,
    /// Its end.
    pub until: Instant,
    /// Factor by which they take longer.
    pub factor: f64,
}

/// Neighbours that come and go: each span of time has a factor of its own, the same for all iterations that start in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moods {
    /// Length of each span.
    pub length: Duration,
    /// Iterations take up to so many times as long, and down to its inverse; the logarithm is uniform in between.
    pub spread: f64,
}

// === impl Tempo ===

impl Tempo {
    /// Exactly what the costs say.
    pub const STEADY: Self = Self { factor: 1.0, jitter: 0.0, hiccups: None, slow_spell: None, moods: None };

    /// The time of the `number`-th iteration, which takes `plain` by the server's costs and starts at `start`.
    pub(in crate::engine) fn time_of(&self, plain: Duration, start: Instant, number: u64, draw: Draw) -> Duration {
        if *self == Self::STEADY {
            return plain;
        }
        let spell = self.slow_spell.filter(|spell| spell.from <= start && start < spell.until);
        let factor = self.factor
            * self.jitter_of(number, draw)
            * spell.map_or(1.0, |spell| spell.factor)
            * self.moods.map_or(1.0, |moods| moods.factor_at(start, draw));
        let time = plain.mul_f64(factor);
        let hiccup = self.hiccups.filter(|hiccups| {
            draw.uniform(Purpose::Hiccup, number, 0) * hiccups.every.as_secs_f64() < time.as_secs_f64()
        });
        time + hiccup.map_or(Duration::ZERO, |hiccups| hiccups.length)
    }

    fn jitter_of(&self, number: u64, draw: Draw) -> f64 {
        // A uniform distribution from −1 to 1 has a standard deviation of 1/√3.
        let deviation = 2.0 * draw.uniform(Purpose::Jitter, number, 0) - 1.0;
        1.0 + self.jitter * 3.0_f64.sqrt() * deviation
    }
}

// === impl Moods ===

impl Moods {
    /// Half to twice the time, for three seconds at a time.
    pub const WILD: Self = Self { length: Duration::from_secs(3), spread: 2.0 };

    fn factor_at(&self, at: Instant, draw: Draw) -> f64 {
        let span = at.since(Instant::ZERO).as_nanos() / self.length.as_nanos().max(1);
        self.spread.powf(2.0 * draw.uniform(Purpose::Mood, span as u64, 0) - 1.0)
    }
}

// === impl Hiccups ===

impl Hiccups {
    /// 100 ms, in the mean every five seconds.
    pub const USUAL: Self = Self { every: Duration::from_secs(5), length: Duration::from_millis(100) };
}
