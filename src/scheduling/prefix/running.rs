//! A running hash over a text that comes in pieces, and the places at which it was taken.

use super::text_hash::TextHash;

/// Place of the first head that no end of a message gives; each next one is a quarter further.
const FIRST_PLACE: u64 = 1024;

/// The most of these: the last stands at 4 MB, some million tokens.
const PLACES_MAX: usize = 38;

/// Ends of messages that are kept from the beginning, and from the end. The latter are a power of
/// two.
const FIRST_ENDS: usize = 2;
const LAST_ENDS: usize = 8;

/// A byte that UTF-8 has not, so that no text looks like another's end.
const END: &[u8] = &[0xFF];

/// The hash of everything before a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) hash: u64,
    pub(super) position: u64,
}

/// See the module.
#[derive(Clone)]
pub(super) struct RunningHash {
    hash: TextHash,
    position: u64,
    /// The next place that is marked.
    next: u64,
    places: Vec<Mark>,
    first_ends: [Mark; FIRST_ENDS],
    last_ends: [Mark; LAST_ENDS],
    ends: usize,
    /// The end of the last message.
    ended: u64,
}

// === impl RunningHash ===

impl RunningHash {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hash: TextHash::new(seed),
            position: 0,
            next: FIRST_PLACE,
            places: Vec::new(),
            first_ends: Default::default(),
            last_ends: Default::default(),
            ends: 0,
            ended: 0,
        }
    }

    /// Takes the next bytes, cut anywhere.
    #[inline]
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.next.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let rest = if bytes.len() < room { bytes } else { self.pass_places(bytes) };
        self.take(rest);
    }

    /// Takes the hash of something that is no text and counts for so many bytes.
    pub(super) fn attach(&mut self, digest: [u8; 8], counted: u64) {
        self.update(&digest);
        self.position = self.position.wrapping_add(counted);
        if self.position >= self.next {
            self.mark_place();
        }
    }

    /// A message has ended.
    pub(super) fn end_message(&mut self) -> Mark {
        self.update(END);
        let mark = self.mark();
        let place = match self.first_ends.get_mut(self.ends) {
            Some(place) => Some(place),
            None => self.last_ends.get_mut(self.ends & LAST_ENDS.wrapping_sub(1)),
        };
        if let Some(place) = place {
            *place = mark;
        }
        self.ends = self.ends.wrapping_add(1);
        self.ended = self.position;
        mark
    }

    /// Returns `true` if anything came since the last message ended.
    pub(super) fn is_within_message(&self) -> bool {
        self.position != self.ended
    }

    /// The hash here.
    pub(super) fn mark(&self) -> Mark {
        Mark { hash: self.hash.digest(), position: self.position }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The places that grow geometrically, in their order.
    pub(super) fn places(&self) -> impl Iterator<Item = Mark> {
        self.places.iter().copied()
    }

    /// The ends of messages that are kept, in no order.
    pub(super) fn ends(&self) -> impl Iterator<Item = Mark> {
        let last = self.ends.saturating_sub(FIRST_ENDS);
        self.first_ends
            .iter()
            .take(self.ends)
            .chain(self.last_ends.iter().filter(move |_| last > 0))
            .copied()
            .filter(|mark| mark.position > 0)
    }

    /// Marks the places that `bytes` reach; returns what is behind the last of them.
    #[cold]
    fn pass_places<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        loop {
            let room = usize::try_from(self.next.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let Some((before, after)) = rest.split_at_checked(room) else { return rest };
            self.take(before);
            self.mark_place();
            rest = after;
        }
    }

    /// Marks this place; the next one is the first that lies behind it.
    fn mark_place(&mut self) {
        self.places.push(self.mark());
        let is_last = self.places.len() >= PLACES_MAX;
        while self.next <= self.position && !is_last {
            self.next = self.next.saturating_add(self.next >> 2);
        }
        if is_last {
            self.next = u64::MAX;
        }
    }

    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.position = self.position.wrapping_add(bytes.len() as u64);
    }
}

/// Mixes two hashes into one that says nothing of either.
pub(super) fn mix(one: u64, other: u64) -> u64 {
    let mut mixed = one.rotate_left(32) ^ other.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}
