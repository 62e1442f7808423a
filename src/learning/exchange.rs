//! Exchange of what is learned between the VMs of a pool.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::shared::store::{Store, read, update};

/// Part of what is learned that all VMs of a pool share as one value.
pub(super) trait SharedPart {
    /// The value.
    type Value: Clone + Default + Serialize + DeserializeOwned;

    /// Returns `true` if something was learned here that the value lacks.
    fn has_news(&self) -> bool;

    /// Adds that to the value.
    fn tell(&self, all: &mut Self::Value);

    /// Takes the value as it is with all that was learned here.
    fn take(&mut self, all: Self::Value);
}

/// Adds what was learned here to what all VMs know, and takes what they know. If the value changes
/// too often to be written, both are left to the next time.
pub(super) fn exchange(store: &impl Store, key: &str, part: &mut impl SharedPart) {
    if !part.has_news() {
        part.take(read(store, key).0);
        return;
    }
    let written = update(store, key, |all| {
        part.tell(all);
        Some(all.clone())
    });
    if let Ok(Some(all)) = written {
        part.take(all);
    }
}
