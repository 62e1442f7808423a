//! Skips what does not matter, eight bytes at a time: embeddings are megabytes of numbers.

use crate::protocol::words::{EACH, zeros};

/// Returns the rest from the next quote, brace or bracket on.
pub(super) fn to_structure(bytes: &[u8]) -> &[u8] {
    let mut words = bytes.chunks_exact(8);
    let mut skipped = 0_usize;
    for word in words.by_ref() {
        let word = word.try_into().map(u64::from_le_bytes).unwrap_or_default();
        if has_structure(word) {
            break;
        }
        skipped = skipped.saturating_add(8);
    }
    let rest = bytes.get(skipped..).unwrap_or_default();
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
    at.and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// Returns `true` if any of eight bytes is one of those. The brackets are braces but for one bit.
const fn has_structure(word: u64) -> bool {
    let braces = word | (0x20 * EACH);
    let found = zeros(word ^ (0x22 * EACH)) | zeros(braces ^ (0x7b * EACH)) | zeros(braces ^ (0x7d * EACH));
    found != 0
}

#[cfg(test)]
mod tests {
    use super::to_structure;

    #[test]
    fn every_structural_byte_is_found_wherever_it_stands() {
        for at in 0..20 {
            for byte in 0..=u8::MAX {
                let mut bytes = [b'1'; 20];
                bytes[at] = byte;
                let found = bytes.iter().position(|byte| b"\"{}[]".contains(byte));
                assert_eq!(to_structure(&bytes), found.map_or(&[][..], |at| &bytes[at..]), "{byte} at {at}");
            }
        }
    }
}
