//! Shared data as a port: values with compare-and-swap, and mailboxes. The filter implements it by
//! host calls, [`super::memory`] for tests and simulation.

use std::hash::Hasher;

use fnv::FnvHasher;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A version that no value ever has. Envoy ignores the version when it *creates* a value, so
/// setting with this one creates it if it is missing and changes nothing if it is not: the safe way
/// to create.
pub const NEVER: u32 = u32::MAX;

/// Most tries of an update before the caller goes on without it. Each failure means that another VM
/// made progress, so with 256 VMs at most this is only reached by a defect.
pub(super) const TRIES: usize = 256;

/// Room for most values.
const USUAL_BYTES: usize = 512;

/// More than any value has.
const MOST_BYTES: usize = 1 << 27;

/// A value and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The bytes; empty where there is no value.
    pub bytes: Vec<u8>,
    /// Pass it to [`Store::set`]; [`NEVER`] where there is no value.
    pub version: u32,
}

/// Another VM changed the value meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// Shared data of one Envoy process.
pub trait Store {
    /// A value and its version.
    fn get(&self, key: &str) -> Stored;

    /// Sets a value if it still has `version`.
    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended>;

    /// Opens the mailbox `name` for this VM: messages come to whoever opened it last.
    fn open_mailbox(&self, name: &str) -> Option<u32>;

    /// Sends "look again" to a mailbox. Losing one is harmless.
    fn send(&self, mailbox: u32);
}

/// Reads a value; what cannot be decoded counts as missing, for the next writer to replace.
pub fn read<T: DeserializeOwned + Default>(store: &impl Store, key: &str) -> (T, u32) {
    let stored = store.get(key);
    (decode(&stored.bytes), stored.version)
}

/// Writes a value over the version that was read.
pub fn write<T: Serialize>(store: &impl Store, key: &str, value: &T, version: u32) -> Result<(), Contended> {
    store.set(key, &encode(value), version)
}

/// Changes a value, again and again until no other VM interferes. `change` returns `None` to leave
/// it as it is.
pub fn update<T, R>(
    store: &impl Store,
    key: &str,
    mut change: impl FnMut(&mut T) -> Option<R>,
) -> Result<Option<R>, Contended>
where
    T: Serialize + DeserializeOwned + Default,
{
    for _ in 0..TRIES {
        let (mut value, version) = read::<T>(store, key);
        let Some(result) = change(&mut value) else { return Ok(None) };
        if write(store, key, &value, version).is_ok() {
            return Ok(Some(result));
        }
    }
    Err(Contended)
}

/// Returns `true` if this is news: no VM has said it last.
pub fn is_news(store: &impl Store, key: &str, text: &str) -> bool {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    let hash = hasher.finish();
    update(store, key, |said: &mut u64| (*said != hash).then(|| *said = hash)) == Ok(Some(()))
}

/// A value; what cannot be decoded counts as missing.
pub fn decode<T: DeserializeOwned + Default>(bytes: &[u8]) -> T {
    postcard::from_bytes(bytes).unwrap_or_default()
}

/// The bytes of a value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Into room that is there already: making it for each byte costs several times as much.
    let mut room = USUAL_BYTES;
    while room <= MOST_BYTES {
        let mut bytes = vec![0; room];
        match postcard::to_slice(value, &mut bytes).map(|used| used.len()) {
            Ok(used) => {
                bytes.truncate(used);
                return bytes;
            }
            Err(postcard::Error::SerializeBufferFull) => room = room.saturating_mul(8),
            // Only of types that need a length up front; ours do not.
            Err(_) => break,
        }
    }
    Vec::new()
}
