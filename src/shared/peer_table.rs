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

use super::digest::{Digest, DigestError, MAX_OPENED};
use super::membership::FencingToken;
use super::peer_view::{PeerView, Wanted};
use super::placement_exchange::PlacementExchange;
use super::pool_secret::PoolSecret;
use super::store;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::prefix::RecentPlacements;
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
    placements: PlacementExchange,
}

/// Another gateway, as last heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OtherGateway {
    digest: Digest,
    /// Instant at which this digest was first seen.
    told: Instant,
    /// Number of its placements that were taken.
    placements: u64,
}

/// Pool that gateways serve, as digests name it.
#[derive(Clone, Copy, Debug)]
pub struct PoolIdentity<'a> {
    /// Its name.
    pub name: &'a str,
    /// Secret by which its gateways tell each other placements, if they do.
    pub secret: Option<&'a PoolSecret>,
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
        Digest { gateway: self.gateway, sequence: self.sequence, running, waiting, sealed: Vec::new() }
    }

    /// Adds this gateway's last placements to a digest: what its VMs have told each other, which
    /// `placements_of` reads. `random` is another number each time.
    pub fn add_placements(
        &mut self,
        digest: &mut Digest,
        members: &[FencingToken],
        placements_of: impl Fn(FencingToken) -> Option<RecentPlacements>,
        pool: PoolIdentity<'_>,
        random: u64,
    ) {
        let Some(secret) = pool.secret else { return };
        self.placements.collect(members, placements_of);
        let placements = self.placements.to_tell(self.others.len());
        if !placements.is_empty() {
            digest.seal(&placements, pool.name, secret, random);
        }
    }

    /// Takes what stands in the slots now, and says what is wrong there. Others that told nothing
    /// new for `expire` are given up, and no sooner: a store that lost all it had does not make
    /// them stop.
    pub fn look(
        &mut self,
        slots: &[Option<String>],
        pool: PoolIdentity<'_>,
        expire: Duration,
        now: Instant,
    ) -> Vec<String> {
        let (mut complaints, mut opened) = (Vec::new(), 0);
        for (slot, text) in slots.iter().enumerate() {
            let Some(text) = text else { continue };
            let heard = match Digest::decode(text, pool.name) {
                Ok(digest) if digest.gateway == self.gateway => Ok(()),
                Ok(digest) => {
                    self.slot = self.slot.filter(|own| *own != slot);
                    self.hear(digest, pool, &mut opened, now)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = heard {
                complaints.push(format!("slot {slot}: {error}"));
            }
        }
        self.placements.end_look();
        self.others.retain(|other| now.since(other.told) < expire);
        complaints
    }

    /// A gateway that took another slot stands in both until the old one expires: its newest digest
    /// counts. `opened`: bytes of placements that were opened in this look. Fails where the
    /// placements cannot be taken; the rest is.
    fn hear(
        &mut self,
        mut digest: Digest,
        pool: PoolIdentity<'_>,
        opened: &mut usize,
        now: Instant,
    ) -> Result<(), DigestError> {
        let known = self.others.iter_mut().find(|other| other.digest.gateway == digest.gateway);
        if known.as_ref().is_some_and(|known| known.digest.sequence >= digest.sequence) {
            return Ok(());
        }
        let seen = known.as_ref().map_or(0, |known| known.placements);
        let placements = open(&digest, pool, opened);
        digest.sealed = Vec::new();
        let taken = match &placements {
            Ok(Some(placements)) => {
                self.placements.hear(placements, seen);
                placements.sequence()
            }
            Ok(None) | Err(_) => seen,
        };
        let heard = OtherGateway { digest, told: now, placements: taken };
        match known {
            Some(known) => *known = heard,
            None => self.others.push(heard),
        }
        placements.map(|_| ())
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
            placements: self.placements.of_peers().clone(),
            ..PeerView::default()
        }
    }
}

/// Opens a digest's placements, if it has any and they can be opened here.
fn open(digest: &Digest, pool: PoolIdentity<'_>, opened: &mut usize) -> Result<Option<RecentPlacements>, DigestError> {
    let Some(secret) = pool.secret.filter(|_| !digest.sealed.is_empty()) else { return Ok(None) };
    *opened = opened.saturating_add(digest.sealed.len());
    if *opened > MAX_OPENED {
        return Err(DigestError::TooMuchSealed);
    }
    digest.open(pool.name, secret).map(Some)
}
