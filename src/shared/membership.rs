//! Membership of the VMs that schedule: each holds a numbered slot, with a heartbeat, its mailbox
//! and its claim.
//!
//! A VM that dies leaves no message. Its heartbeat stops, and after [`DEAD_AFTER`] the others drop
//! it and with it the load that it had published. A VM that only stalled finds itself gone and
//! joins anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::Claim;
use crate::scheduling::time::Instant;

/// Period of a VM's heartbeat.
pub const HEARTBEAT: Duration = Duration::from_millis(250);

/// Time for which a silent VM is believed to live.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);

/// Time for which others leave room to a VM that was woken for its claim: longer than a wake-up
/// takes (some 0.1 ms), short enough that a stalled VM blocks nobody.
pub const YIELD_FOR: Duration = Duration::from_millis(5);

/// Time for which a VM that was woken and did not react is left alone: it stalls, or the message
/// was lost.
const WAKE_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Members of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    members: Vec<Member>,
    last_epoch: u64,
    newest: Option<Generation>,
}

/// A configuration of the pool. While an update is under way two are in force, the older for what
/// still drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Instant at which it was accepted; each VM has a time of its own for it.
    pub since: Instant,
    /// Distinguishes it from others.
    pub fingerprint: u64,
}

/// One VM's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Slot and epoch of the membership.
    pub fence: FencingToken,
    /// Instant of the VM's last heartbeat.
    pub heartbeat: Instant,
    /// Mailbox by which the VM is woken.
    pub mailbox: Option<u32>,
    /// Instant at which it was woken for its claim, until it has reacted.
    pub woken: Option<Instant>,
    /// Number of requests that wait there.
    pub waiting: u32,
    /// The most urgent of them.
    pub claim: Option<Claim>,
}

/// A slot and its holder: the epoch tells the VM from those that had the slot before, and fences
/// them off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FencingToken {
    /// The slot's number.
    pub slot: u8,
    /// Never used twice in a pool.
    pub epoch: u64,
}

// === impl Membership ===

impl Membership {
    /// Takes the lowest free slot. `None`: all 256 are taken.
    pub fn join(&mut self, now: Instant) -> Option<FencingToken> {
        self.drop_dead(now);
        let slot = (0..=u8::MAX).find(|slot| self.members.iter().all(|member| member.fence.slot != *slot))?;
        self.last_epoch += 1;
        let fence = FencingToken { slot, epoch: self.last_epoch };
        self.members.push(Member { fence, heartbeat: now, mailbox: None, woken: None, waiting: 0, claim: None });
        Some(fence)
    }

    /// Notes that requests come under a configuration.
    pub fn note(&mut self, generation: Generation) {
        if self.newest.is_none_or(|newest| newest.since < generation.since) {
            self.newest = Some(generation);
        }
    }

    /// Returns `true` if requests come under a newer configuration than this one.
    pub fn is_outdated(&self, generation: Generation) -> bool {
        self.newest.is_some_and(|newest| newest.fingerprint != generation.fingerprint)
    }

    /// Gives a membership up.
    pub fn leave(&mut self, fence: FencingToken) {
        self.members.retain(|member| member.fence != fence);
    }

    /// Removes the VMs that fell silent; says how many.
    pub fn drop_dead(&mut self, now: Instant) -> usize {
        let before = self.members.len();
        self.members.retain(|member| member.lives(now));
        before - self.members.len()
    }

    /// Returns the member with this fencing token, if it still is one.
    pub fn member(&self, fence: FencingToken) -> Option<&Member> {
        self.members.iter().find(|member| member.fence == fence)
    }

    /// Returns the member with this fencing token, to change it.
    pub fn member_mut(&mut self, fence: FencingToken) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.fence == fence)
    }

    /// Returns `true` if the VM with this fencing token lives.
    pub fn lives(&self, fence: FencingToken, now: Instant) -> bool {
        self.member(fence).is_some_and(|member| member.lives(now))
    }

    /// Returns the living members other than `own`.
    pub fn others(&self, own: Option<FencingToken>, now: Instant) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| Some(member.fence) != own && member.lives(now))
    }

    /// Counts the requests that wait in VMs other than `own`.
    pub fn waiting_elsewhere(&self, own: Option<FencingToken>, now: Instant) -> u32 {
        self.others(own, now).fold(0, |sum, member| sum.saturating_add(member.waiting))
    }
}

// === impl Seat ===

impl Member {
    fn lives(&self, now: Instant) -> bool {
        now.since(self.heartbeat) < DEAD_AFTER
    }

    /// Returns `true` if it may be woken: nobody did, or so long ago that the message must be lost.
    pub fn may_be_woken(&self, now: Instant) -> bool {
        self.woken.is_none_or(|woken| now.since(woken) >= WAKE_AGAIN_AFTER)
    }

    /// Returns `true` while others leave it room: it was woken just now and has not reacted yet.
    pub fn is_yielded_to(&self, now: Instant) -> bool {
        self.woken.is_some_and(|woken| now.since(woken) < YIELD_FOR)
    }
}
