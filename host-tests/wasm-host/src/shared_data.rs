//! Shared data: one map per process with a compare-and-swap counter common to all keys.

use std::collections::HashMap;

use crate::abi::Status;

/// The keys that all VMs of one `vm_id` see; they outlive any VM.
#[derive(Debug, Default)]
pub(crate) struct SharedData {
    entries: HashMap<String, (Vec<u8>, u32)>,
    last_cas: u32,
}

// === impl SharedData ===

impl SharedData {
    /// The value and its CAS number.
    pub(crate) fn get(&self, key: &str) -> Option<(&[u8], u32)> {
        self.entries.get(key).map(|(value, cas)| (value.as_slice(), *cas))
    }

    /// Writes if `cas` is zero or the current number, or, as Envoy has it, if the key does not exist whatever `cas` is.
    /// Nothing deletes a key: no value is an empty value.
    pub(crate) fn set(&mut self, key: &str, value: Vec<u8>, cas: u32) -> Status {
        if let Some((_, current)) = self.entries.get(key)
            && cas != 0
            && cas != *current
        {
            return Status::CasMismatch;
        }
        self.last_cas += 1;
        self.entries.insert(key.to_owned(), (value, self.last_cas));
        Status::Ok
    }

    /// All keys, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.entries.keys().cloned().collect();
        keys.sort();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_number_is_refused_and_the_value_stays() {
        let mut data = SharedData::default();
        assert_eq!(data.set("k", b"1".to_vec(), 0), Status::Ok);
        let (_, stale) = data.get("k").unwrap();
        assert_eq!(data.set("k", b"2".to_vec(), 0), Status::Ok);
        assert_eq!(data.set("k", b"3".to_vec(), stale), Status::CasMismatch);
        assert_eq!(data.get("k").unwrap().0, b"2");
    }

    #[test]
    fn a_number_on_a_missing_key_is_ignored() {
        let mut data = SharedData::default();
        assert_eq!(data.set("k", b"1".to_vec(), 77), Status::Ok);
        assert_eq!(data.get("k").unwrap().0, b"1");
    }

    #[test]
    fn numbers_are_never_used_twice_over_all_keys() {
        let mut data = SharedData::default();
        data.set("a", Vec::new(), 0);
        data.set("b", Vec::new(), 0);
        assert_ne!(data.get("a").unwrap().1, data.get("b").unwrap().1);
    }
}
