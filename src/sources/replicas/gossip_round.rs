//! One look at the other gateways, and one word to them.

use std::time::Duration;

use super::slot_store::{SlotStore, StoreRequest};
use crate::scheduling::time::Instant;
use crate::shared::peer_table::{PeerTable, PoolIdentity, SlotWrite};
use crate::shared::pool_secret::PoolSecret;
use crate::sources::callout::FetchError;

/// See the module.
pub struct GossipRound {
    store: Box<dyn SlotStore>,
    pool: String,
    secret: Option<PoolSecret>,
    expire: Duration,
    peer_table: PeerTable,
    digest: String,
    step: RoundStep,
    complaints: Vec<String>,
}

enum RoundStep {
    /// Looking at the slots.
    Look,
    /// Writing to the last of these places; the others are tried if somebody else was quicker.
    Tell(Vec<SlotWrite>),
}

/// Result of reading an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is more to ask.
    Next,
    /// The others know of this gateway, and it knows of them.
    Done,
}

// === impl GossipRound ===

impl GossipRound {
    pub(super) fn new(
        store: Box<dyn SlotStore>,
        PoolIdentity { name, secret }: PoolIdentity<'_>,
        expire: Duration,
        peer_table: PeerTable,
        digest: String,
    ) -> Self {
        let (pool, secret, complaints) = (name.to_owned(), secret.copied(), Vec::new());
        Self { store, pool, secret, expire, peer_table, digest, step: RoundStep::Look, complaints }
    }

    /// Returns the request to send next.
    pub fn ask(&self) -> StoreRequest {
        match &self.step {
            RoundStep::Tell(places) if let Some(SlotWrite { slot, if_free }) = places.last() => {
                self.store.write(*slot, &self.digest, self.expire, *if_free)
            }
            RoundStep::Look | RoundStep::Tell(_) => self.store.read(),
        }
    }

    /// Reads the answer to that, which has status 200.
    ///
    /// # Errors
    ///
    /// The reason why it is not what was asked for. That ends the round.
    pub fn read(&mut self, body: &[u8], now: Instant) -> Result<Turn, FetchError> {
        match &mut self.step {
            RoundStep::Look => {
                let slots = self.store.values(body)?;
                let pool = PoolIdentity { name: &self.pool, secret: self.secret.as_ref() };
                self.complaints = self.peer_table.look(&slots, pool, self.expire, now);
                let mut places = self.peer_table.places(&slots);
                places.reverse();
                if places.is_empty() {
                    return Err(FetchError::Invalid(format!("all {} slots are taken", slots.len())));
                }
                self.step = RoundStep::Tell(places);
                Ok(Turn::Next)
            }
            RoundStep::Tell(places) => {
                let Some(place) = places.pop() else { return Ok(Turn::Done) };
                if self.store.written(body)? {
                    self.peer_table.settle(place.slot);
                    return Ok(Turn::Done);
                }
                self.peer_table.unsettle();
                if places.is_empty() {
                    let slot = place.slot;
                    return Err(FetchError::Invalid(format!("slot {slot} was taken by another gateway")));
                }
                Ok(Turn::Next)
            }
        }
    }

    /// Returns the other gateways as known by now.
    pub fn peer_table(&self) -> &PeerTable {
        &self.peer_table
    }

    /// Returns the faults of what others reported.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}
