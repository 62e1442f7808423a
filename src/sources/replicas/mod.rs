//! Exchange with gateways that serve the same pods: a store that all of them reach, with a slot for
//! each.
//!
//! A [`GossipRound`] reads what the others reported, and reports this gateway's state. It needs of
//! a store only a [`SlotStore`]: to read all slots, and to write one so that it expires.

mod gossip_round;
mod slot_store;
#[cfg(test)]
mod tests;
mod webdis;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use fnv::FnvHasher;
use serde::Deserialize;

pub use self::gossip_round::{GossipRound, Turn};
pub use self::slot_store::{SlotStore, StoreRequest};
use self::webdis::Webdis;
use super::callout::Callout;
use crate::json::{self, JsonError, duration, number, text};
use crate::shared::peer_table::{PeerTable, PoolIdentity};
use crate::shared::pool_secret::PoolSecret;

/// Store by which gateways exchange their state, and the terms of the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "ReplicasDocument")]
pub struct ReplicaSource {
    /// The store, and the interval of the rounds.
    pub callout: Callout,
    /// Time after its last new digest for which a gateway is believed to live.
    pub expire: Duration,
    /// Least number of gateways, this one included: assumed while the store is away.
    pub expected: u32,
    /// Largest number of gateways.
    pub slots: u32,
    /// Secret by which they tell each other where prompts went; without one they do not.
    pub secret: Option<PoolSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicasDocument {
    #[serde(deserialize_with = "json::object")]
    webdis: ReplicasWebdisDocument,
    #[serde(default = "default_interval", deserialize_with = "duration::at_least_us::<_, 20_000>")]
    interval: Duration,
    #[serde(default = "default_timeout", deserialize_with = "duration::at_least_us::<_, 1_000>")]
    timeout: Duration,
    #[serde(default = "default_expire", deserialize_with = "duration::at_least_us::<_, 1_000>")]
    expire: Duration,
    #[serde(default = "default_expected", deserialize_with = "number::from_one_to::<_, 256>")]
    expected: u32,
    #[serde(default = "default_slots", deserialize_with = "number::from_one_to::<_, 256>")]
    slots: u32,
    #[serde(default)]
    secret: Option<PoolSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicasWebdisDocument {
    #[serde(deserialize_with = "text::one::<text::HostLike, _>")]
    cluster: String,
    #[serde(default, deserialize_with = "text::optional::<text::HostLike, _>")]
    authority: Option<String>,
}

const fn default_interval() -> Duration {
    Duration::from_millis(100)
}

const fn default_timeout() -> Duration {
    Duration::from_millis(500)
}

const fn default_expire() -> Duration {
    Duration::from_secs(2)
}

const fn default_expected() -> u32 {
    1
}

const fn default_slots() -> u32 {
    32
}

// === impl ReplicaSource ===

impl ReplicaSource {
    /// Checks rules that span several fields.
    ///
    /// # Errors
    ///
    /// Digests that expire before they can be renewed; more gateways than slots.
    pub fn check(&self) -> Result<(), JsonError> {
        let least = self.callout.interval.saturating_mul(3).max(self.callout.timeout);
        if self.expire < least {
            let expected = format_args!("at least {least:?}: the timeout, and three times the interval");
            return Err(JsonError::invalid("replicas.expire", format_args!("{:?}", self.expire), expected));
        }
        if self.slots < self.expected {
            let expected = format_args!("at least the {} gateways that are expected", self.expected);
            return Err(JsonError::invalid("replicas.slots", self.slots, expected));
        }
        Ok(())
    }

    /// Tells which store it is, and what stands there.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = FnvHasher::default();
        (&self.callout.cluster, &self.callout.authority, self.slots).hash(&mut hasher);
        hasher.finish()
    }

    /// Begins a round.
    pub fn round(&self, pool: &str, peer_table: PeerTable, digest: String) -> GossipRound {
        let store = Webdis::new(pool, self.slots as usize);
        GossipRound::new(Box::new(store), self.identity(pool), self.expire, peer_table, digest)
    }

    /// The pool of this name, as its gateways name it to each other.
    pub fn identity<'a>(&'a self, pool: &'a str) -> PoolIdentity<'a> {
        PoolIdentity { name: pool, secret: self.secret.as_ref() }
    }
}

impl From<ReplicasDocument> for ReplicaSource {
    fn from(document: ReplicasDocument) -> Self {
        let ReplicasDocument {
            webdis: ReplicasWebdisDocument { cluster, authority },
            interval,
            timeout,
            expire,
            expected,
            slots,
            secret,
        } = document;
        let authority = authority.unwrap_or_else(|| cluster.clone());
        Self { callout: Callout { cluster, authority, interval, timeout }, expire, expected, slots, secret }
    }
}

impl fmt::Display for ReplicaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callout { cluster, interval, .. } = &self.callout;
        write!(f, "Redis, by {cluster} every {interval:?}")
    }
}
