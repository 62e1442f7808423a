//! Header maps as the ABI carries them: a count, the sizes of names and values, then each with a
//! zero byte behind it; numbers are 32 bits, little endian.

use std::borrow::Cow;
use std::ops::Range;

/// The headers of one map, in order, as the host wrote them. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Positions of each name and its value.
    places: Vec<(Range<usize>, Range<usize>)>,
}

// === impl Headers ===

impl Headers {
    /// Finds the headers in what the host wrote; what is cut off is left out.
    pub fn decode(bytes: Vec<u8>) -> Self {
        let mut sizes = bytes.chunks_exact(4).map(|chunk| chunk.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)));
        let count = sizes.next().unwrap_or_default().min(bytes.len());
        let mut at = count.saturating_mul(8).saturating_add(4);
        let mut take = |size: usize| {
            let place = at..at.checked_add(size)?;
            at = place.end.checked_add(1)?;
            (place.end < bytes.len()).then_some(place)
        };
        let mut places = Vec::with_capacity(count);
        places.extend((0..count).map_while(|_| Some((take(sizes.next()?)?, take(sizes.next()?)?))));
        Self { bytes, places }
    }

    /// The names, in order; what is no UTF-8 is left out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|(name, _)| str::from_utf8(self.bytes.get(name.clone())?).ok())
    }

    /// The first value of a header, by its name in lower case. Bytes that are not UTF-8 become
    /// U+FFFD: no value that we read may hold any.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let is_named = |place: &Range<usize>| self.bytes.get(place.clone()) == Some(name.as_bytes());
        let (_, value) = self.places.iter().find(|(known, _)| known.len() == name.len() && is_named(known))?;
        self.bytes.get(value.clone()).map(String::from_utf8_lossy)
    }

    /// Returns headers as the host reads them.
    pub fn encode(headers: &[(&str, &str)]) -> Vec<u8> {
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
}
