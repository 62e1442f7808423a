//! JSON as Python writes it: `NaN`, `Infinity` and `-Infinity` stand bare where a number has no
//! value.
//!
//! AIBrix's profile generator leaves them for measurements that are missing, and a strict parser
//! refuses the whole profile for one of them. Each becomes `null` before the strict parser sees it.
//! The replacement looks at bytes outside strings alone and is blind to structure: a word that is
//! no value of its own (`1NaN`, `NaNNaN`, `{NaN: 1}`) makes no JSON after the replacement either,
//! so nothing is accepted that should not be.

use std::borrow::Cow;

const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// The same JSON with `null` for each bare `NaN`, `Infinity` and `-Infinity`; borrowed if there is
/// none.
pub fn without_nan(json: &[u8]) -> Cow<'_, [u8]> {
    let mut replaced = Vec::new();
    let mut kept = json; // what is not in `replaced` yet
    let mut rest = json;
    let mut in_string = false;
    while let [first, tail @ ..] = rest {
        let word = WORDS.into_iter().find(|word| !in_string && rest.starts_with(word));
        rest = match (word, first) {
            (Some(word), _) => {
                let (before, _) = kept.split_at_checked(kept.len().saturating_sub(rest.len())).unwrap_or((kept, &[]));
                replaced.extend_from_slice(before);
                replaced.extend_from_slice(b"null");
                kept = rest.strip_prefix(word).unwrap_or_default();
                kept
            }
            // What an escape hides in a string is no quote.
            (None, b'\\') if in_string => tail.get(1..).unwrap_or_default(),
            (None, b'"') => {
                in_string = !in_string;
                tail
            }
            (None, _) => tail,
        };
    }
    if replaced.is_empty() {
        return Cow::Borrowed(json);
    }
    replaced.extend_from_slice(kept);
    Cow::Owned(replaced)
}
