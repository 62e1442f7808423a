//! Table of the other gateways, and this one's slot of the store.
//!
//! The store has a fixed number of slots, each of which holds one gateway's digest until it
//! expires: so the others are found without a search, there are never more than so many, and the
//! dead ones go by themselves. A gateway takes the lowest free slot, which the store gives to one
//! only, and writes to it from then on. The last good digest of each gateway counts until it
//! expires here too, whatever stands in its slot meanwhile.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::peer_view::{PeerView, Wanted};
use super::store;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::time::Instant;

/// Claims of other gateways that count: the most urgent.
const MOST_CLAIMS: usize = 16;

/// See the module. Passed on from VM to VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTable {
    /// Tells this gateway from others.
    gateway: u64,
    slot: Option<usize>,
    sequence: u64,
    others: Vec<OtherGateway>,
}

/// Another gateway, as last heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OtherGateway {
    digest: Digest,
    /// Instant at which this digest was first seen.
    told: Instant,
}

/// Slot to write, and its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotWrite {
    /// The slot.
    pub slot: usize,
    /// `true` where it must be free: it is not this gateway's yet, or not any more.
    pub if_free: bool,
}

// === impl PeerTable ===

impl PeerTable {
    /// Of a gateway that was given this number.
    pub fn new(gateway: u64) -> Self {
        Self { gateway, ..Self::default() }
    }

    /// As the last VM passed it on, if it did.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// To pass on.
    pub fn to_bytes(&self) -> Vec<u8> {
        store::encode(self)
    }

    /// Makes the digest that this gateway publishes next.
    pub fn digest(&mut self, running: PodLoads, waiting: Option<super::digest::UrgentRequest>) -> Digest {
        self.sequence = self.sequence.wrapping_add(1);
        Digest { gateway: self.gateway, sequence: self.sequence, running, waiting }
    }

    /// Takes what stands in the slots now, and says what is wrong there. Others that told nothing
    /// new for `expire` are given up, and no sooner: a store that lost all it had does not make
    /// them stop.
    pub fn look(&mut self, slots: &[Option<String>], pool: &str, expire: Duration, now: Instant) -> Vec<String> {
        let mut complaints = Vec::new();
        for (slot, text) in slots.iter().enumerate() {
            let Some(text) = text else { continue };
            match Digest::decode(text, pool) {
                Ok(digest) if digest.gateway == self.gateway => {}
                Ok(digest) => {
                    self.slot = self.slot.filter(|own| *own != slot);
                    self.hear(digest, now);
                }
                Err(error) => complaints.push(format!("slot {slot}: {error}")),
            }
        }
        self.others.retain(|other| now.since(other.told) < expire);
        complaints
    }

    /// A gateway that took another slot stands in both until the old one expires: its newest digest
    /// counts.
    fn hear(&mut self, digest: Digest, now: Instant) {
        match self.others.iter_mut().find(|other| other.digest.gateway == digest.gateway) {
            Some(known) if known.digest.sequence >= digest.sequence => {}
            Some(known) => *known = OtherGateway { digest, told: now },
            None => self.others.push(OtherGateway { digest, told: now }),
        }
    }

    /// Returns the slots that this gateway may write, by what it saw: its own, or the free ones
    /// that it may try, in this order.
    pub fn places(&self, slots: &[Option<String>]) -> Vec<SlotWrite> {
        let is_free = |slot: usize| slots.get(slot).is_some_and(Option::is_none);
        let own = self.slot.filter(|slot| *slot < slots.len());
        if let Some(slot) = own.filter(|slot| !is_free(*slot)) {
            return vec![SlotWrite { slot, if_free: false }];
        }
        let others = (0..slots.len()).filter(|slot| is_free(*slot) && own != Some(*slot));
        own.into_iter().chain(others).map(|slot| SlotWrite { slot, if_free: true }).collect()
    }

    /// The digest was written there.
    pub fn settle(&mut self, slot: usize) {
        self.slot = Some(slot);
    }

    /// Somebody else was quicker.
    pub fn unsettle(&mut self) {
        self.slot = None;
    }

    /// Counts the gateways, this one included.
    pub fn gateways(&self) -> u32 {
        u32::try_from(self.others.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// This gateway's place among `reckoned`: how many come before it, or one that it draws where
    /// it does not know as many.
    pub fn rank(&self, reckoned: u32) -> u32 {
        if self.gateways() < reckoned {
            return u32::try_from(self.gateway.checked_rem(reckoned.into()).unwrap_or_default()).unwrap_or_default();
        }
        let before = self.others.iter().filter(|other| other.digest.gateway < self.gateway).count();
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// Sums up the others, for all VMs of this gateway. `told`: what this one ran when it reported
    /// to them. `expected`: how many gateways there are at least.
    pub fn peer_view(&self, told: PodLoads, expected: u32, margin: Duration, expires_at: Instant) -> PeerView {
        let mut elsewhere = PodLoads::new();
        for (pod, entry) in self.others.iter().flat_map(|other| &other.digest.running) {
            elsewhere.entry(*pod).or_default().add(*entry);
        }
        let claims = self.others.iter().filter_map(|OtherGateway { digest, told, .. }| {
            let waiting = digest.waiting.as_ref()?;
            Some(Wanted { name: (digest.gateway, waiting.name), claim: waiting.claim(*told, margin) })
        });
        let is_active = |digest: &Digest| digest.waiting.is_some() || !digest.running.is_empty();
        let active = self.others.iter().filter(|other| is_active(&other.digest));
        let mut claims: Vec<Wanted> = claims.collect();
        let mut draw = FnvHasher::default();
        (self.gateway, self.sequence).hash(&mut draw);
        claims.sort_by_key(|wanted| (wanted.claim.urgency, wanted.name));
        claims.truncate(MOST_CLAIMS);
        let gateways = self.gateways();
        let reckoned = gateways.max(expected);
        PeerView {
            expires_at,
            gateways,
            rank: self.rank(reckoned),
            reckoned,
            elsewhere,
            told,
            claims,
            active: u32::try_from(active.count()).unwrap_or(u32::MAX).saturating_add(1),
            draw: draw.finish(),
            ..PeerView::default()
        }
    }
}
