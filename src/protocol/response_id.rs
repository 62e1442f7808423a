//! Ids of stored responses, as servers issue them and clients name them.

use super::json::Scalar;

/// The longest id that counts; servers' are `resp_` and 32 to 48 digits.
const LONGEST: usize = 128;

/// The id of a response that a server stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseId(Box<str>);

// === impl ResponseId ===

impl ResponseId {
    /// Reads an id; `None` for what is too long, or would be written with escapes in JSON: so it is
    /// the same as it came and unescaped.
    pub(super) fn of(id: &[u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let is_one = (1..=LONGEST).contains(&id.len()) && id.iter().all(is_plain);
        str::from_utf8(id).ok().filter(|_| is_one).map(|id| Self(id.into()))
    }

    /// Reads a field that names one.
    pub(super) fn of_field(value: &Scalar) -> Option<Self> {
        if let Scalar::Text(id) = value { Self::of(id.as_bytes()) } else { None }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        let longest = "x".repeat(LONGEST);
        for id in ["resp_0123abc", "x", "a-b.c:d/e", &longest] {
            assert_eq!(ResponseId::of(id.as_bytes()).as_ref().map(ResponseId::as_str), Some(id));
        }
        for id in ["", " ", "a b", "a\\u0062", "\"", "é", "a\n", &format!("{longest}x")] {
            assert_eq!(ResponseId::of(id.as_bytes()), None, "{id}");
        }
    }
}
