//! Placements on their way between gateways: those of this gateway's VMs, which its next digests
//! tell, and those that others told, for all VMs of this one.
//!
//! Each placement stands in a few digests, so that a gateway that misses one learns of it by the
//! next, and in the view of others for long enough that every VM reads it. Both are bounded: with
//! many gateways a digest tells the fewer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::membership::FencingToken;
use crate::scheduling::prefix::{PLACEMENTS_MAX, RecentPlacements};

/// The most placements of other gateways that VMs are told at once: to read them takes as long as
/// to read half as many requests.
pub const PEER_PLACEMENTS_MAX: usize = 64;

/// Digests that tell a placement.
const DIGESTS: usize = 4;

/// Looks at the others for which what they told stands in the view: ten of 100 ms are longer than
/// any VM takes to read it.
const LOOKS: usize = 10;

/// VMs whose placements are taken for one digest.
const VMS_AT_ONCE: usize = 4;

/// See the module. Passed on from VM to VM with the table of peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementExchange {
    /// The VMs of this gateway, each with the number of its placements that were taken; the one
    /// that was read longest ago comes first.
    vms: Vec<(FencingToken, u64)>,
    own: FadingPlacements,
    peers: FadingPlacements,
}

/// Placements that are forgotten after some turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct FadingPlacements {
    recent: RecentPlacements,
    /// Numbers of the last placements at the ends of the last turns.
    turns: VecDeque<u64>,
}

// === impl PlacementExchange ===

impl PlacementExchange {
    /// Takes what VMs of this gateway placed since they were read last; `placements_of` reads a
    /// VM's last placements.
    pub fn collect(
        &mut self,
        members: &[FencingToken],
        placements_of: impl Fn(FencingToken) -> Option<RecentPlacements>,
    ) {
        self.vms.retain(|(vm, _)| members.contains(vm));
        let new = members.iter().filter(|member| self.vms.iter().all(|(vm, _)| vm != *member));
        let mut due: Vec<(FencingToken, u64)> = new.map(|member| (*member, 0)).collect();
        due.append(&mut self.vms);
        let later = due.split_off(due.len().min(VMS_AT_ONCE));
        for (vm, taken) in &mut due {
            let Some(placements) = placements_of(*vm) else { continue };
            self.own.recent.append(&placements, *taken, PLACEMENTS_MAX);
            *taken = placements.sequence();
        }
        self.vms = later;
        self.vms.append(&mut due);
    }

    /// Returns the placements that the next digest tells, where there are so many other gateways.
    pub fn to_tell(&mut self, others: usize) -> RecentPlacements {
        self.own.pass_turn(DIGESTS);
        let share = PEER_PLACEMENTS_MAX.checked_div(others).unwrap_or(PLACEMENTS_MAX);
        self.own.recent.last(share.clamp(1, PLACEMENTS_MAX))
    }

    /// Takes what another gateway told, of which the first `seen` were taken before.
    pub fn hear(&mut self, placements: &RecentPlacements, seen: u64) {
        self.peers.recent.append(placements, seen, PEER_PLACEMENTS_MAX);
    }

    /// A look at the others has ended.
    pub fn end_look(&mut self) {
        self.peers.pass_turn(LOOKS);
    }

    /// Returns what the others told in the last looks.
    pub fn of_peers(&self) -> &RecentPlacements {
        &self.peers.recent
    }
}

// === impl FadingPlacements ===

impl FadingPlacements {
    /// A turn ends: what came more than so many turns ago is forgotten.
    fn pass_turn(&mut self, turns: usize) {
        self.turns.push_back(self.recent.sequence());
        if self.turns.len() > turns
            && let Some(number) = self.turns.pop_front()
        {
            self.recent.drop_until(number);
        }
    }
}
