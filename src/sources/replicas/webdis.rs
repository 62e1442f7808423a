//! Redis over HTTP, by Webdis: `MGET` of all slots, and `SET` with an expiry.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::slot_store::{SlotStore, StoreRequest};
use crate::json;
use crate::shared::digest::VERSION;
use crate::sources::callout::{FetchError, FetchRequest};
use crate::sources::webdis::MgetReply;

/// The slots of one pool.
#[derive(Clone, Debug)]
pub(super) struct Webdis {
    /// Prefix of the keys: digests of another version stand elsewhere.
    prefix: String,
    slots: usize,
}

#[derive(Deserialize)]
struct Set {
    #[serde(rename = "SET")]
    set: Option<(bool, String)>,
}

// === impl Webdis ===

impl Webdis {
    pub(super) fn new(pool: &str, slots: usize) -> Self {
        Self { prefix: format!("slo-router:{VERSION}:{pool}:"), slots }
    }

    /// A slot's key, as a part of a path.
    fn key(&self, slot: usize) -> String {
        utf8_percent_encode(&format!("{}{slot}", self.prefix), NON_ALPHANUMERIC).to_string()
    }
}

impl SlotStore for Webdis {
    fn read(&self) -> StoreRequest {
        let keys: Vec<String> = (0..self.slots).map(|slot| self.key(slot)).collect();
        StoreRequest { request: FetchRequest::json(format!("/MGET/{}", keys.join("/"))), body: Vec::new() }
    }

    fn values(&self, body: &[u8]) -> Result<Vec<Option<String>>, FetchError> {
        let values = json::read::<MgetReply>(body)?.mget.reply()?;
        if values.len() != self.slots {
            let found = format!("{} values came for {} keys", values.len(), self.slots);
            return Err(FetchError::Invalid(found));
        }
        Ok(values)
    }

    /// A digest may be longer than a path, so the command is posted; its letters have no other
    /// meaning there.
    fn write(&self, slot: usize, value: &str, expire: Duration, if_free: bool) -> StoreRequest {
        let condition = if if_free { "/NX" } else { "" };
        let command = format!("SET/{}/{value}/PX/{}{condition}", self.key(slot), expire.as_millis());
        StoreRequest { request: FetchRequest::json("/"), body: command.into_bytes() }
    }

    fn written(&self, body: &[u8]) -> Result<bool, FetchError> {
        match json::read::<Set>(body)?.set {
            Some((true, _)) => Ok(true),
            None => Ok(false),
            Some((false, error)) => Err(FetchError::Invalid(format!("Redis answers {error:?}"))),
        }
    }
}
