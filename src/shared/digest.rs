//! Digest that one gateway publishes for the others: its load on each pod, its most urgent waiting
//! request, and its last placements.
//!
//! Gateways share no clock, so times are told as seen from the moment of telling. As text, a digest
//! is its format's version, a hash of the pool's name and its content in [postcard]'s coding, in
//! the letters of base64 that no path or query has another meaning for. The placements are
//! [sealed](super::pool_secret).

use std::error::Error;
use std::fmt;
use std::hash::Hasher;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fnv::FnvHasher;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::claim::Claim;
use super::pool_secret::{PoolSecret, SealedBy};
use super::store;
use crate::scheduling::load::Load;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::pool::{DeploymentId, MAX_PODS, PodId};
use crate::scheduling::prefix::RecentPlacements;
use crate::scheduling::queue::Urgency;
use crate::scheduling::time::Instant;

/// Changes whenever the format does.
pub const VERSION: u8 = 2;

/// The longest digest as text: every pod of the largest pool, at some 17 characters each.
pub const MAX_CHARS: usize = 256 << 10;

/// The most bytes of sealed placements: 32 of 112 bytes at most.
pub const MAX_SEALED: usize = 4 << 10;

/// The most bytes of sealed placements that are opened in one look: a tenth of a millisecond.
pub const MAX_OPENED: usize = 16 << 10;

/// Deployments that a waiting request may name.
const MAX_LOADS: usize = 1024;

/// No time that is told lies further away.
const FURTHEST_US: u64 = 1_000_000 * 60 * 60 * 24;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Tells the gateway from others; drawn when it starts.
    pub gateway: u64,
    /// Counts its digests: one that stays the same is of a gateway that fell silent.
    pub sequence: u64,
    /// Load and number of its requests, by pod.
    pub running: PodLoads,
    /// The most urgent request that waits there.
    pub waiting: Option<UrgentRequest>,
    /// Its last placements, for those who have the pool's secret; empty without one.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub sealed: Vec<u8>,
}

/// A waiting request, as other gateways need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrgentRequest {
    /// Tells it from the gateway's others.
    pub name: u64,
    late: bool,
    /// Until its latest start; negative after it.
    slack_us: i64,
    waited_us: u64,
    loads: Vec<(DeploymentId, Load)>,
    reserved: Option<PodId>,
}

/// Reason why a text is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestError {
    /// It has so many characters, more than [`MAX_CHARS`].
    TooLong(usize),
    /// It is not base64, cut short, or goes on behind its end.
    Garbled,
    /// It is of this version, not of [`VERSION`].
    Version(u8),
    /// It is of another pool.
    OtherPool,
    /// It says what cannot be.
    Absurd(&'static str),
    /// Its placements were sealed with another secret, or are garbled; the rest may be good.
    Sealed,
    /// Its placements would make too many bytes in one look, more than [`MAX_OPENED`].
    TooMuchSealed,
}

// === impl Digest ===

impl Digest {
    /// As text.
    pub fn encode(&self, pool: &str) -> String {
        // Encoding into a growing vector fails only for types that need a length up front; these do
        // not.
        let bytes = postcard::to_allocvec(&(VERSION, hash(pool), self)).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what another gateway of this pool wrote, whatever it is.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be taken.
    pub fn decode(text: &str, pool: &str) -> Result<Self, DigestError> {
        if text.len() > MAX_CHARS {
            return Err(DigestError::TooLong(text.len()));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| DigestError::Garbled)?;
        match bytes.first() {
            Some(&VERSION) => {}
            Some(other) => return Err(DigestError::Version(*other)),
            None => return Err(DigestError::Garbled),
        }
        let (read, rest) = postcard::take_from_bytes::<(u8, u64, Self)>(&bytes).map_err(|_| DigestError::Garbled)?;
        let (_, of, digest) = read;
        if !rest.is_empty() {
            return Err(DigestError::Garbled);
        }
        if of != hash(pool) {
            return Err(DigestError::OtherPool);
        }
        digest.check()?;
        Ok(digest)
    }

    /// Adds placements, sealed. `random`: see [`PoolSecret::seal`].
    pub fn seal(&mut self, placements: &RecentPlacements, pool: &str, secret: &PoolSecret, random: u64) {
        self.sealed = secret.seal(&store::encode(placements), self.sealed_by(), pool, random);
    }

    /// Opens the placements.
    ///
    /// # Errors
    ///
    /// The reason why they cannot be taken.
    pub fn open(&self, pool: &str, secret: &PoolSecret) -> Result<RecentPlacements, DigestError> {
        let content = secret.open(&self.sealed, self.sealed_by(), pool).ok_or(DigestError::Sealed)?;
        let (placements, rest) =
            postcard::take_from_bytes::<RecentPlacements>(&content).map_err(|_| DigestError::Sealed)?;
        if !rest.is_empty() || !placements.is_within_bounds() {
            return Err(DigestError::Sealed);
        }
        Ok(placements)
    }

    fn sealed_by(&self) -> SealedBy {
        SealedBy { gateway: self.gateway, sequence: self.sequence }
    }

    fn check(&self) -> Result<(), DigestError> {
        if self.running.len() > MAX_PODS {
            return Err(DigestError::Absurd("more pods than a pool has"));
        }
        if !self.running.values().all(crate::scheduling::pod_load::PodLoad::is_sound) {
            return Err(DigestError::Absurd("a pod's load is not that of its requests"));
        }
        if self.sealed.len() > MAX_SEALED {
            return Err(DigestError::Absurd("more placements than are told at once"));
        }
        let Some(waiting) = &self.waiting else { return Ok(()) };
        if waiting.loads.len() > MAX_LOADS {
            return Err(DigestError::Absurd("a request for more deployments than a pool has"));
        }
        if waiting.loads.iter().any(|(_, load)| *load > Load::CAPACITY) {
            return Err(DigestError::Absurd("a request that takes more than a whole pod"));
        }
        if waiting.slack_us.unsigned_abs() > FURTHEST_US || waiting.waited_us > FURTHEST_US {
            return Err(DigestError::Absurd("a request of another day"));
        }
        Ok(())
    }
}

/// As one piece: one by one, each byte costs a call.
fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    <&[u8]>::deserialize(deserializer).map(<[u8]>::to_vec)
}

fn hash(pool: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(pool.as_bytes());
    hasher.finish()
}

// === impl UrgentRequest ===

impl UrgentRequest {
    /// The request with this claim.
    pub fn of(claim: &Claim, now: Instant) -> Self {
        let Urgency { late, latest_start, arrival } = claim.urgency;
        let micros = |later: Instant, earlier: Instant| later.as_micros().saturating_sub(earlier.as_micros());
        let ahead = micros(latest_start, now).min(FURTHEST_US).cast_signed();
        let behind = micros(now, latest_start).min(FURTHEST_US).cast_signed();
        Self {
            name: arrival.as_micros(),
            late,
            slack_us: ahead.saturating_sub(behind),
            waited_us: micros(now, arrival).min(FURTHEST_US),
            loads: claim.loads.clone(),
            reserved: claim.reserved,
        }
    }

    /// Its claim on this gateway's clock, where it was told at `told`. `margin`: so much less
    /// urgent than it says, since neither clock nor news are exact.
    pub fn claim(&self, told: Instant, margin: Duration) -> Claim {
        let slack = Duration::from_micros(self.slack_us.unsigned_abs());
        let latest_start = if self.slack_us < 0 { told.before(slack) } else { told.after(slack) };
        let urgency = Urgency {
            late: self.late,
            latest_start: latest_start.after(margin),
            arrival: told.before(Duration::from_micros(self.waited_us)),
        };
        Claim { urgency, loads: self.loads.clone(), aged_since: None, reserved: self.reserved }
    }
}

// === impl DigestError ===

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(chars) => write!(f, "a digest of {chars} characters, expected at most {MAX_CHARS}"),
            Self::Garbled => f.write_str("no digest"),
            Self::Version(version) => write!(f, "a digest of version {version}, expected {VERSION}"),
            Self::OtherPool => f.write_str("a digest of another pool"),
            Self::Absurd(what) => f.write_str(what),
            Self::Sealed => f.write_str("placements that are not sealed with this pool's secret"),
            Self::TooMuchSealed => write!(f, "placements beyond the {MAX_OPENED} bytes of one look"),
        }
    }
}

impl Error for DigestError {}
