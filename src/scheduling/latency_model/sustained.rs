//! Concurrency that a deployment's pods sustain, learned from whether objectives were kept and from
//! nothing else.
//!
//! A profile says nothing of an engine's slots, and a step model may be wrong. What each answer
//! tells all the same is how many requests its pod had when it came, how long it took there, and
//! whether it would have kept its objective had it not waited before. Of a pod that always holds n
//! requests, Little's law has n / (mean time) end in each second; so with the share k that keeps
//! its objective, a pod with n requests keeps
//!
//! ```text
//! goodput(n) = n · k(n) / seconds(n)
//! ```
//!
//! objectives per second. It grows with n while the engine gains by batching, and falls where
//! requests only wait for each other. Where all answers at more than some n kept fewer than those
//! up to it, beyond what chance does, the limit is the n up to which most are kept. What is held
//! for it shows nothing of larger n any more, so the limit grows while pods that are at it keep
//! their objectives: back to where it was too high, or on, where the pods have become faster.

use serde::{Deserialize, Serialize};

/// Bands of requests at once: each alone up to eight, then four in each octave, the last one open.
pub(super) const BANDS: usize = 28;
/// Share of what was learned of all bands that fades with one more answer.
const FADE: f64 = 0.01;
/// Answers below and above a number of requests from which they are compared.
const ENOUGH: f64 = 20.0;
/// Goodput that has fallen too far, relative to that at fewer requests.
const FALLEN: f64 = 0.75;
/// Share by which the limit grows with each objective that was kept on a pod that was at it.
const GROWTH: f64 = 0.02;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sustained {
    bands: [Band; BANDS],
    /// The most requests that a pod is to have at once; none while it was never too many.
    limit: Option<f64>,
}

/// Sums over the answers of one band; all fade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Band {
    answers: f64,
    requests: f64,
    kept: f64,
    seconds: f64,
}

/// Lesson of an answer for [`Sustained`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stay {
    /// Requests on its pod when it came there, it included.
    pub requests: f64,
    /// Time that it took there.
    pub seconds: f64,
    /// `true` where it would have kept its objective had it not waited before.
    pub kept: bool,
}

// === impl Sustained ===

impl Sustained {
    /// Learns from an answer.
    pub(super) fn learn(&mut self, Stay { requests, seconds, kept }: Stay) {
        self.bands.iter_mut().for_each(|band| band.fade());
        if let Some(band) = self.bands.get_mut(band_of(requests)) {
            band.answers += 1.0;
            band.requests += requests;
            band.kept += if kept { 1.0 } else { 0.0 };
            band.seconds += seconds;
        }
        if let Some(limit) = self.limit.as_mut().filter(|limit| kept && requests >= limit.floor()) {
            *limit *= 1.0 + GROWTH;
        }
        if kept {
            return;
        }
        if let Some(best) = self.best_before_fall() {
            self.limit = Some(self.limit.map_or(best, |limit| limit.min(best)));
        }
    }

    /// Returns the most requests that a pod is to have at once; `None` where it was never too many.
    pub(super) fn limit(&self) -> Option<u32> {
        self.limit.map(|limit| (limit as u32).max(1))
    }

    /// Returns the number of requests beyond which goodput has fallen: of all such numbers the one
    /// up to which there is most.
    fn best_before_fall(&self) -> Option<f64> {
        let all = self.bands.iter().fold(Band::default(), |all, band| all.plus(band, 1.0));
        let mut below = Band::default();
        let mut best: Option<(f64, usize)> = None;
        for (position, band) in self.bands.iter().enumerate() {
            below = below.plus(band, 1.0);
            let above = all.plus(&below, -1.0);
            if below.answers < ENOUGH || above.answers < ENOUGH {
                continue;
            }
            let goodput = below.goodput();
            if above.goodput() < FALLEN * goodput && best.is_none_or(|(most, _)| goodput > most) {
                best = Some((goodput, position));
            }
        }
        best.map(|(_, position)| end_of(position))
    }
}

// === impl Band ===

impl Band {
    fn fade(&mut self) {
        let keep = 1.0 - FADE;
        self.answers *= keep;
        self.requests *= keep;
        self.kept *= keep;
        self.seconds *= keep;
    }

    fn plus(&self, other: &Self, times: f64) -> Self {
        Self {
            answers: self.answers + times * other.answers,
            requests: self.requests + times * other.requests,
            kept: self.kept + times * other.kept,
            seconds: self.seconds + times * other.seconds,
        }
    }

    fn goodput(&self) -> f64 {
        self.requests / self.answers * self.kept / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Returns the band of so many requests.
pub(super) fn band_of(requests: f64) -> usize {
    (0..BANDS - 1).find(|band| requests <= end_of(*band) + 0.5).unwrap_or(BANDS - 1)
}

/// Returns the number of requests that a band goes up to.
pub(super) fn end_of(band: usize) -> f64 {
    if band < 8 {
        return band as f64 + 1.0;
    }
    let step = band - 8;
    let octave = f64::from(u32::try_from(step >> 2).unwrap_or(0));
    8.0 * octave.exp2() * (1.0 + ((step & 3) as f64 + 1.0) / 4.0)
}
