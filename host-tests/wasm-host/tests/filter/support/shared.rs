//! State that the VMs share, read by the filter's own types.

use slo_router::scheduling::latency_model::Learned;
use slo_router::scheduling::pod_load::PodLoads;
use slo_router::scheduling::pool::DeploymentId;
use slo_router::scheduling::time::Instant;
use slo_router::shared::Keys;
use slo_router::shared::health::Failing;
use slo_router::shared::membership::Member;
use slo_router::shared::pool_state::PoolState;
use slo_router::shared::runs::{Placed, Runs};
use slo_router::shared::store::{self, Contended, NEVER, Store, Stored};
use wasm_host::World;

/// The shared data of a world, to look at.
pub struct Shared<'a>(pub &'a World);

// === impl Shared ===

impl Shared<'_> {
    /// Returns what runs on each pod, as the VMs that live have published it.
    pub fn running(&self) -> PodLoads {
        self.pool_state().running(self.now())
    }

    /// Returns the number of requests that run, as the VMs that live have published it.
    pub fn in_flight(&self) -> u32 {
        self.running().values().map(|entry| entry.count).sum()
    }

    /// The seats of the VMs that live.
    pub fn seats(&self) -> Vec<Member> {
        self.pool_state().membership.others(None, self.now()).cloned().collect()
    }

    /// The failing pods.
    pub fn failing(&self) -> Failing {
        self.pool_state().failing
    }

    /// Each request that runs, as the VMs that live have told it.
    pub fn runs(&self) -> Vec<Placed> {
        let of = |seat: Member| -> Runs { store::read(self, &Keys::of("test").runs(seat.fence.slot, 0)).0 };
        self.seats().into_iter().map(of).flat_map(Runs::into_placed).collect()
    }

    /// Returns what was learned of a deployment's speed.
    pub fn learned(&self, deployment: &str) -> Learned {
        let deployment = DeploymentId::of(&deployment.parse().unwrap());
        store::read(self, &Keys::of("test").learned(deployment)).0
    }

    fn pool_state(&self) -> PoolState {
        store::read(self, &Keys::of("test").pool_state()).0
    }

    fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.0.now().as_micros()).unwrap())
    }
}

impl Store for Shared<'_> {
    fn get(&self, key: &str) -> Stored {
        let bytes = self.0.shared_data(key);
        Stored { version: if bytes.is_some() { 0 } else { NEVER }, bytes: bytes.unwrap_or_default() }
    }

    fn set(&self, _: &str, _: &[u8], _: u32) -> Result<(), Contended> {
        Err(Contended)
    }

    fn open_mailbox(&self, _: &str) -> Option<u32> {
        None
    }

    fn send(&self, _: u32) {}
}
