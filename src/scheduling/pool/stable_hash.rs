//! Hash for identities.

use std::hash::{Hash, Hasher};

use fnv::FnvHasher;

/// FNV-1a: the same in every VM and version, which std's hashers do not promise.
pub(super) fn stable_hash(value: &impl Hash) -> u64 {
    let mut hasher = FnvHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
