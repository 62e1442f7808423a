//! View of a gateway's VMs on the other gateways, written by whichever VM polls the store.
//!
//! It is a value of its own beside the [pool's state](super::pool_state), which says which one is
//! in force: the board is written with every placement and every end, and this is as large as all
//! pods that others keep busy.
//!
//! It runs out: whoever reads it later than that knows of the others only that they are there, and
//! keeps to a share of each pod.

use std::hash::{Hash, Hasher};

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::claim::Claim;
use crate::scheduling::allowance::{Allowance, Looked, Lot};
use crate::scheduling::load::Load;
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::PodId;
use crate::scheduling::prefix::RecentPlacements;
use crate::scheduling::time::Instant;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Good until then.
    pub expires_at: Instant,
    /// Number of gateways, this one included.
    pub gateways: u32,
    /// Number of gateways that come before this one.
    pub rank: u32,
    /// Number of gateways to assume when this has expired.
    pub reckoned: u32,
    /// Load of the others, by pod.
    pub elsewhere: PodLoads,
    /// Load of this one in its last report to them.
    pub told: PodLoads,
    /// Load of this one in the report before.
    pub earlier: PodLoads,
    /// Number of gateways that run anything or have requests that wait, this one included.
    pub active: u32,
    /// Another number with each look, and in each gateway.
    pub draw: u64,
    /// Most urgent requests that wait in others, most urgent first.
    pub claims: Vec<Wanted>,
    /// The last placements of others.
    pub placements: RecentPlacements,
}

/// The value in shared data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// Another one with each change; 0 where there is none yet.
    pub number: u64,
    /// The view.
    pub peer_view: PeerView,
}

/// Another gateway's claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Tells it from others: the gateway, and the request there.
    pub name: (u64, u64),
    /// The claim on this gateway's clock.
    pub claim: Claim,
}

/// Standing of a gateway to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It knows what they do.
    Together,
    /// It does not.
    Apart,
}

// === impl PeerView ===

impl PeerView {
    /// Of gateways that nothing is known of but that they are there.
    pub fn apart(reckoned: u32, rank: u32) -> Self {
        Self { reckoned, rank, ..Self::default() }
    }

    /// Returns [`Standing::Together`] while the others are known.
    pub fn standing(&self, now: Instant) -> Standing {
        if now < self.expires_at { Standing::Together } else { Standing::Apart }
    }

    /// Returns the number of gateways, this one included; 0 where that is not known.
    pub fn gateways_seen(&self, now: Instant) -> u32 {
        if self.standing(now) == Standing::Together { self.gateways } else { 0 }
    }

    /// Returns the load of the others on a pod.
    pub fn elsewhere(&self, pod: PodId, now: Instant) -> PodLoad {
        let known = self.standing(now) == Standing::Together;
        self.elsewhere.get(&pod).copied().filter(|_| known).unwrap_or_default()
    }

    /// Returns the number of gateways that are taken to run as much as this one, itself included:
    /// where the others are not known, all. Policies that go by how many requests a pod runs know
    /// no share of it.
    pub fn alike(&self, now: Instant) -> u32 {
        if self.standing(now) == Standing::Together { 1 } else { self.reckoned.max(1) }
    }

    /// Returns the share that may be taken of a pod on which this gateway runs `own` now. `place`:
    /// the pod's position in its deployment, and how many it has.
    pub fn allowance(&self, pod: PodId, place: (usize, usize), own: Load, now: Instant) -> Allowance {
        match self.standing(now) {
            Standing::Together => {
                let load = |column: &PodLoads| column.get(&pod).map(PodLoad::load).unwrap_or_default();
                let looked = Looked {
                    told: load(&self.told),
                    earlier: load(&self.earlier),
                    elsewhere: load(&self.elsewhere),
                    gateways: self.gateways,
                    active: self.active,
                    lot: self.lot(pod),
                };
                Allowance::between_looks(looked, own)
            }
            Standing::Apart => Allowance::apart(own, self.reckoned, self.owns(place)),
        }
    }

    /// Returns the most urgent requests that wait in others, most urgent first.
    pub fn claims(&self, now: Instant) -> &[Wanted] {
        match self.standing(now) {
            Standing::Together => &self.claims,
            Standing::Apart => &[],
        }
    }

    fn lot(&self, pod: PodId) -> Lot {
        let mut hasher = FnvHasher::default();
        (self.draw, pod).hash(&mut hasher);
        // The upper half: it depends on all that was hashed.
        Lot(u32::try_from(hasher.finish() >> 32).unwrap_or_default())
    }

    /// Returns `true` for this gateway's own pods: each is some gateway's, and each gateway has one
    /// of each deployment.
    fn owns(&self, (position, pods): (usize, usize)) -> bool {
        let (rank, gateways) = (self.rank as usize, self.reckoned.max(1) as usize);
        if gateways <= pods {
            position.checked_rem(gateways) == Some(rank)
        } else {
            rank.checked_rem(pods) == Some(position)
        }
    }
}
