//! Settings of the scheduling.

use std::time::Duration;

use crate::learning::Prediction;
use crate::scheduling::policies::Preferences;
use crate::scheduling::prefix::PrefixMode;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::Assessment;

/// Settings of the scheduling; from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names the pool in shared data.
    pub pool: String,
    /// Tells configurations of the pool apart.
    pub fingerprint: u64,
    /// Rule by which output lengths are estimated.
    pub prediction: Prediction,
    /// Rules by which requests are judged.
    pub assessment: Assessment,
    /// `true` where requests that no deployment can serve in time are refused.
    pub reject_infeasible: bool,
    /// Preferences that policies take.
    pub preferences: Preferences,
    /// Most requests that wait, over all VMs.
    pub max_waiting: u32,
    /// Longest time that a request waits.
    pub max_wait: Duration,
    /// Treatment of late ones.
    pub late: LatePolicy,
    /// `true` where requests may ask for a policy that goes by what runs on each pod, or by speeds
    /// that are learned from it.
    pub looks_at_runs: bool,
    /// `true` where what responses show corrects what profiles say of speeds.
    pub corrects_profiles: bool,
    /// Use of what pods hold in their prefix caches.
    pub prefix: PrefixMode,
    /// Number of pods that are named beside the one that a request goes to, for retries.
    pub alternatives: usize,
    /// Interval at which other gateways report what they do, where others serve the same pods.
    pub replicas: Option<Duration>,
}
