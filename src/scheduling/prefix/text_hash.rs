//! The hash of a text that comes in pieces, many of them short.
//!
//! It has the rounds of [XXH64] over the same four lanes, and their quality. But where that gathers
//! blocks of 32 bytes, this takes words of 8: the pieces of a text in JSON lie between escapes, and
//! to copy each into a block costs several times what hashing does.
//!
//! [XXH64]: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md

const PRIME_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME_4: u64 = 0x85EB_CA77_C2B2_AE63;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextHash {
    /// The next word goes to the first, which then is the last.
    lanes: [u64; 4],
    /// Bytes that do not fill a word yet, and their bits.
    pending: u64,
    bits: u32,
    length: u64,
}

// === impl TextHash ===

impl TextHash {
    pub(super) fn new(seed: u64) -> Self {
        let lanes = [
            seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2),
            seed.wrapping_add(PRIME_2),
            seed,
            seed.wrapping_sub(PRIME_1),
        ];
        Self { lanes, pending: 0, bits: 0, length: 0 }
    }

    /// The hash of a whole text.
    pub(super) fn of(text: &[u8], seed: u64) -> u64 {
        let mut hash = Self::new(seed);
        hash.update(text);
        hash.digest()
    }

    /// Takes the next bytes, cut anywhere.
    #[inline]
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let Some(last) = bytes.last_chunk::<8>() else {
            return bytes.iter().for_each(|byte| self.take_part(u64::from(*byte), 8));
        };
        let tail = self.take_words(bytes);
        // The tail is the end of the last eight bytes.
        let bits = (tail.len() as u32).wrapping_mul(8);
        if bits > 0 {
            self.take_part(u64::from_le_bytes(*last) >> u64::BITS.wrapping_sub(bits), bits);
        }
    }

    /// The hash of all that came.
    pub(super) fn digest(&self) -> u64 {
        let [first, second, third, fourth] = self.lanes;
        let rotated = [first.rotate_left(1), second.rotate_left(7), third.rotate_left(12), fourth.rotate_left(18)];
        let sum = rotated.into_iter().fold(0, u64::wrapping_add);
        let merge = |hash: u64, lane: u64| (hash ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        let mut hash = self.lanes.into_iter().fold(sum, merge).wrapping_add(self.length);
        hash = (hash ^ round(0, self.pending)).rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        hash = (hash ^ hash >> 33).wrapping_mul(PRIME_2);
        hash = (hash ^ hash >> 29).wrapping_mul(PRIME_3);
        hash ^ hash >> 32
    }

    /// Takes a part of a word: so many bits, fewer than 64 and at least one byte.
    #[inline]
    fn take_part(&mut self, part: u64, bits: u32) {
        let joined = self.pending | part << self.bits;
        let filled = self.bits.wrapping_add(bits);
        if filled < u64::BITS {
            (self.pending, self.bits) = (joined, filled);
            return;
        }
        let [first, second, third, fourth] = self.lanes;
        self.lanes = [second, third, fourth, round(first, joined)];
        self.pending = part >> 1 >> 63_u32.wrapping_sub(self.bits);
        self.bits = filled.wrapping_sub(u64::BITS);
    }

    /// Takes whole words; returns the bytes behind them.
    fn take_words<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (mut lanes, mut pending, bits) = (self.lanes, self.pending, self.bits);
        // Each word is filled up with the beginning of the next.
        let rest_bits = 63_u32.wrapping_sub(bits);
        let mut join = |word: &[u8; 8]| {
            let word = u64::from_le_bytes(*word);
            let joined = pending | word << bits;
            pending = word >> 1 >> rest_bits;
            joined
        };
        let (words, tail) = bytes.as_chunks::<8>();
        let (blocks, words) = words.as_chunks::<4>();
        for [first, second, third, fourth] in blocks {
            lanes[0] = round(lanes[0], join(first));
            lanes[1] = round(lanes[1], join(second));
            lanes[2] = round(lanes[2], join(third));
            lanes[3] = round(lanes[3], join(fourth));
        }
        for word in words {
            let [first, second, third, fourth] = lanes;
            lanes = [second, third, fourth, round(first, join(word))];
        }
        (self.lanes, self.pending) = (lanes, pending);
        tail
    }
}

#[inline]
fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TextHash;

    #[test]
    fn every_bit_of_a_text_changes_half_of_the_hash() {
        for length in [1, 5, 8, 31, 32, 33, 100] {
            let text = vec![b'a'; length];
            let hash = TextHash::of(&text, 7);
            let (mut changed, mut count) = (0, 0);
            for bit in 0..8 * length {
                let mut other = text.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let difference = (TextHash::of(&other, 7) ^ hash).count_ones();
                assert!((10..=54).contains(&difference), "{difference} by bit {bit} of {length} bytes");
                (changed, count) = (changed + difference, count + 1);
            }
            assert!((28..=36).contains(&(changed / count)), "{} of {length} bytes", changed / count);
        }
    }

    #[test]
    fn similar_texts_have_different_hashes() {
        let mut hashes: Vec<u64> = Vec::new();
        for length in 0..200 {
            hashes.push(TextHash::of(&vec![0; length], 0));
            hashes.push(TextHash::of(&vec![b'a'; length + 1], 0));
            hashes.push(TextHash::of(&vec![b'a'; length + 1], 1));
        }
        (0..100_000).for_each(|number: u32| hashes.push(TextHash::of(format!("item {number}").as_bytes(), 0)));
        // By their upper 32 bits there are some clashes by chance; by all there are none.
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
        hashes.dedup_by_key(|hash| *hash >> 32);
        assert!(count - hashes.len() < 8, "{}", count - hashes.len());
    }

    #[test]
    fn swapped_words_change_it() {
        let words: Vec<[u8; 8]> = (0..12_u64).map(|word| (word * 0x0101_0101_0101).to_le_bytes()).collect();
        let hash = TextHash::of(words.as_flattened(), 0);
        for one in 0..12 {
            for other in one + 1..12 {
                let mut swapped = words.clone();
                swapped.swap(one, other);
                assert_ne!(TextHash::of(swapped.as_flattened(), 0), hash);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_wherever_a_text_is_cut(
            text in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(0_usize..40, 0..30),
            seed in any::<u64>(),
        ) {
            let mut hash = TextHash::new(seed);
            let mut rest = &text[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                hash.update(piece);
                rest = after;
            }
            hash.update(rest);
            prop_assert_eq!(hash.digest(), TextHash::of(&text, seed));
        }
    }
}
