//! Pods that are slower than their like, told apart from load that is slower than the step model
//! says.
//!
//! The step model of a deployment is an approximation: on an engine that it does not fit,
//! iterations of a busy pod take longer than predicted on *every* pod of the deployment. Read as
//! the slowness of the pod that happens to be busy, this sends traffic to the others, which are
//! then busy and read as slow in turn: traffic swings between identical pods, with the delay of the
//! answers from which it is learned. So two effects are estimated side by side from the residuals
//! `r = ln(actual / predicted)`:
//!
//! ```text
//! r = pod + level(n) + noise
//! ```
//!
//! `level` belongs to a band of requests in flight and is shared by all pods; `pod` belongs to a
//! pod, whatever it runs. Each residual corrects both, the level more quickly, so a misfit of the
//! model is a level's as soon as one other pod was seen at that load. A pod is told from its like
//! only by what it took *at loads at which others were seen, too*.
//!
//! # Stability
//!
//! The feedback that could oscillate is: factor of a pod → its share of traffic → its load → the
//! residuals that it shows → its factor, with a delay of some seconds. Since the level takes up
//! what depends on the load, the residual that is left for the pod does not, and the loop has no
//! gain: the factor is identified in open loop. What gain is left (a band's width, a level that was
//! not seen for long) is multiplied by [`POD_GAIN`] per answer, whereas the load of a pod follows a
//! factor within one answer; that loop is slower by more than an order of magnitude than its delay.
//! Noise does not drive it either: a factor within two standard errors of 1 counts as 1, so
//! identical pods are treated alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scheduling::pool::PodId;

/// Rate at which a pod's effect follows the residuals that it shows.
const POD_GAIN: f64 = 0.05;
/// Rate at which it goes back to none, so that what all pods have in common is the model's.
const POD_FADE: f64 = 0.002;
/// Bounds of a pod's effect: twice as fast, or three times as slow, as the deployment.
const POD_LEAST: f64 = -0.7;
const POD_MOST: f64 = 1.1;
/// Rate at which a level follows.
const LEVEL_GAIN: f64 = 0.15;
/// Bands of requests in flight: octaves, the last one open.
const BANDS: usize = 10;
/// Two standard errors of a pod's effect, relative to the mean size of a residual: of an
/// exponential mean with [`POD_GAIN`] over normal residuals, `2 · √(POD_GAIN / 2) · √(π / 2)`.
const NOISE: f64 = 0.4;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Deviations {
    /// ln of how many times as long as its like a pod takes.
    pods: BTreeMap<PodId, f64>,
    /// ln of how many times as long as predicted iterations take, by band of requests in flight.
    levels: [f64; BANDS],
}

// === impl Deviations ===

impl Deviations {
    /// Learns from one residual of a pod that had so many requests in flight; `weight` 1 for an
    /// answer of usual length. Returns the pod's effect as it was before.
    pub(super) fn learn(&mut self, pod: PodId, requests: f64, residual: f64, weight: f64) -> f64 {
        let weight = weight.clamp(0.0, 1.0);
        let effect = self.pods.entry(pod).or_insert(0.0);
        let before = *effect;
        let Some(level) = self.levels.get_mut(band(requests)) else { return before };
        let left = residual - *level - before;
        *level += LEVEL_GAIN * weight * left;
        *effect = (before + weight * (POD_GAIN * left - POD_FADE * before)).clamp(POD_LEAST, POD_MOST);
        self.leave_what_is_common();
        before
    }

    /// Takes from all pods what all of them have: it is no pod's, and of a single pod that is all
    /// of it.
    fn leave_what_is_common(&mut self) {
        let Some(first) = self.pods.values().next().copied() else { return };
        let mut common = first;
        for effect in self.pods.values() {
            if effect * first <= 0.0 {
                return;
            }
            common = if effect.abs() < common.abs() { *effect } else { common };
        }
        self.pods.values_mut().for_each(|effect| *effect -= common);
    }

    /// The model has taken up so much, ln, of what was common to all: it is no load's any more.
    pub(super) fn shift(&mut self, by: f64) {
        for level in self.levels.iter_mut().filter(|level| level.signum() == by.signum()) {
            *level -= by.abs().min(level.abs()).copysign(by);
        }
    }

    /// Returns the factor by which an iteration takes longer on a pod than on its like; 1 within
    /// what residuals of this mean size explain.
    pub(super) fn factor_of(&self, pod: PodId, mean_residual: f64) -> f64 {
        let effect = self.pods.get(&pod).copied().unwrap_or_default();
        let sure = (effect.abs() - NOISE * mean_residual).max(0.0);
        sure.copysign(effect).exp()
    }

    /// Forgets pods that are gone.
    pub(super) fn keep_to(&mut self, pods: &[PodId]) {
        self.pods.retain(|pod, _| pods.contains(pod));
    }
}

fn band(requests: f64) -> usize {
    (requests.max(1.0).log2() as usize).min(BANDS - 1)
}
