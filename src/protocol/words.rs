//! Bytes looked at eight at a time.

/// A one in each byte.
pub(super) const EACH: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;

/// Not zero if any byte is zero.
pub(super) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & HIGH
}
