//! Header maps: names in lower case, order kept, repeated names allowed; and their form on the wire between guest and host.

/// An ordered multimap of header names (lower case) to values. `host` is another name of `:authority`, as in Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

// === impl Headers ===

impl Headers {
    /// The first value of `name`; the guest, too, sees no other.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = canonical(name);
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends an entry, beside any of the same name.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push((canonical(name), value.to_owned()));
    }

    /// Puts `value` in the place of all entries of `name`.
    pub fn set(&mut self, name: &str, value: &str) {
        let name = canonical(name);
        match self.0.iter().position(|(key, _)| *key == name) {
            Some(first) => {
                self.0[first].1 = value.to_owned();
                let mut index = 0;
                self.0.retain(|(key, _)| {
                    index += 1;
                    index <= first + 1 || *key != name
                });
            }
            None => self.add(&name, value),
        }
    }

    /// Takes away all entries of `name`.
    pub fn remove(&mut self, name: &str) {
        let name = canonical(name);
        self.0.retain(|(key, _)| *key != name);
    }

    /// The same with `:status` before all else.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.insert(0, (":status".to_owned(), status.to_string()));
        self
    }

    /// The sum of the lengths of all names and values, in bytes.
    pub(crate) fn byte_size(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// The ABI's form: a count, pairs of lengths, then the strings, each ended by a zero byte; nothing at all for an empty map.
    pub(crate) fn to_abi(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let length = |size: usize| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = length(self.0.len()).to_vec();
        for (key, value) in &self.0 {
            bytes.extend(length(key.len()));
            bytes.extend(length(value.len()));
        }
        for text in self.0.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    /// Reads the ABI's form; what is cut short reads as an empty map, as in Envoy.
    pub(crate) fn from_abi(bytes: &[u8]) -> Self {
        Self::parse(bytes).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| -> Option<usize> {
            let bytes = bytes.get(at..at + 4)?;
            usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let count = word(0)?;
        let mut at = 4 + count.checked_mul(8)?;
        let mut text = |length: usize| -> Option<String> {
            let text = bytes.get(at..at + length)?;
            at += length + 1;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        let mut headers = Self::default();
        for entry in 0..count {
            let key = text(word(4 + entry * 8)?)?;
            let value = text(word(8 + entry * 8)?)?;
            headers.add(&key, &value);
        }
        Some(headers)
    }
}

fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name == "host" { ":authority".to_owned() } else { name }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut headers = Self::default();
        for (name, value) in entries {
            headers.add(name.as_ref(), value.as_ref());
        }
        headers
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(entries: [(&str, &str); N]) -> Self {
        entries.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abi_form_reads_back() {
        let headers = Headers::from([(":path", "/"), ("a", ""), ("a", "2")]);
        assert_eq!(Headers::from_abi(&headers.to_abi()), headers);
    }

    #[test]
    fn an_abi_form_cut_short_reads_as_empty() {
        let bytes = Headers::from([("a", "1")]).to_abi();
        assert_eq!(Headers::from_abi(&bytes[..bytes.len() - 2]), Headers::default());
    }

    #[test]
    fn set_leaves_one_entry_in_the_first_ones_place() {
        let mut headers = Headers::from([("a", "1"), ("b", "2"), ("A", "3")]);
        headers.set("a", "4");
        assert_eq!(headers, Headers::from([("a", "4"), ("b", "2")]));
    }
}
