//! Header maps as the ABI carries them: a count, the sizes of names and values, then each with a zero byte behind it;
//! numbers are 32 bits, little endian.

/// The headers of one map, in order. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

// === impl Headers ===

impl Headers {
    /// Reads what the host wrote; what is cut off is left out. Bytes that are not UTF-8 become U+FFFD: no value that we
    /// read may hold any.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut sizes = bytes.chunks_exact(4).map(|chunk| chunk.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)));
        let count = sizes.next().unwrap_or_default().min(bytes.len());
        let sizes: Vec<(usize, usize)> = (0..count).map_while(|_| Some((sizes.next()?, sizes.next()?))).collect();
        let mut rest = bytes.get(4 + 8 * sizes.len()..).unwrap_or_default();
        let mut take = |size: usize| {
            let (text, behind) = rest.split_at_checked(size)?;
            rest = behind.get(1..)?;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        Self(sizes.into_iter().map_while(|(name, value)| Some((take(name)?, take(value)?))).collect())
    }

    /// The first value of a header, by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Writes headers for the host.
pub(super) fn encode(headers: &[(&str, &str)]) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = number(headers.len()).to_vec();
    for (name, value) in headers {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for (name, value) in headers {
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(value.as_bytes());
        bytes.push(0);
    }
    bytes
}
