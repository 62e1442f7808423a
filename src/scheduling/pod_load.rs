//! Load of pods in sums of requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::load::Load;
use super::pool::PodId;

/// Load by pod: one VM's part, or a sum.
pub type PodLoads = BTreeMap<PodId, PodLoad>;

/// Load and number of requests of one pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLoad {
    /// Sum of pending loads in millionths of a pod; wide enough never to saturate, so adding and
    /// taking cancel out.
    load_micro: u64,
    /// Requests in flight.
    pub count: u32,
}

// === impl PodLoad ===

impl PodLoad {
    /// The pending load of what runs.
    pub fn load(&self) -> Load {
        Load::from_micro(u32::try_from(self.load_micro).unwrap_or(u32::MAX))
    }

    /// Returns `true` if it can be the sum of requests: there is one at least, and none takes more
    /// than a whole pod.
    pub fn is_sound(&self) -> bool {
        self.count > 0 && self.load_micro <= u64::from(self.count).saturating_mul(Load::CAPACITY.as_micro().into())
    }

    /// Adds a request.
    pub fn charge(&mut self, load: Load) {
        self.add(Self { load_micro: u64::from(load.as_micro()), count: 1 });
    }

    /// Takes a request off.
    pub fn release(&mut self, load: Load) {
        self.load_micro = self.load_micro.saturating_sub(u64::from(load.as_micro()));
        self.count = self.count.saturating_sub(1);
    }

    /// Adds what another one holds.
    pub fn add(&mut self, other: Self) {
        self.load_micro = self.load_micro.saturating_add(other.load_micro);
        self.count = self.count.saturating_add(other.count);
    }
}
