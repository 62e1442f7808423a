//! A table of fixed size: which pods computed a head, how many tokens that was, and when.
//!
//! Open addressing in buckets of eight. A look-up compares 31 bits beside the 17 at most that
//! choose the bucket; where two heads have all of them in common, an estimate is wrong. A full
//! bucket gives up what was not touched for longest, as the caches themselves do.

use super::pods::{PodCache, PodCaches, PodNumber};

/// Pods of one entry. A head that more pods hold takes several.
const HOLDERS: usize = 3;

/// Entries of a bucket, and the most that one head takes there.
const BUCKET: usize = 8;
const ENTRIES_MAX: usize = 4;

/// The most pods that are known of one head.
pub(super) const HOLDERS_MAX: usize = ENTRIES_MAX * HOLDERS;

/// Tokens of a unit of length, as a power of two: what most servers cache at once.
const LENGTH_SHIFT: u32 = 4;

/// Bits of a fingerprint that are kept, and those that tell heads of a bucket apart.
const FINGERPRINT_BITS: u32 = 48;
const TAG_BITS: u32 = 31;

/// The most buckets that the other bits tell apart.
const BUCKETS_MAX: usize = 1 << (FINGERPRINT_BITS - TAG_BITS);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct HeadTable {
    buckets: Box<[[HeadEntry; BUCKET]]>,
}

/// A head, and some of the pods that hold it.
#[derive(Clone, Copy, Debug)]
struct HeadEntry {
    /// The head's lower bits, and a bit that says that its length was measured.
    tag: u32,
    length: u16,
    pods: [PodNumber; HOLDERS],
    touched: [u32; HOLDERS],
}

/// A pod that computed a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadHolder {
    pub(super) pod: PodNumber,
    /// The pod's clock as it last used the head.
    pub(super) touched: u32,
    /// The head's length in tokens.
    pub(super) tokens: u32,
}

/// A head's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadLength {
    pub(super) tokens: u32,
    /// As a server counted it, rather than as it is estimated.
    pub(super) is_measured: bool,
}

const _: () = assert!(size_of::<HeadEntry>() == 24, "the documentation says so");

// === impl HeadTable ===

impl HeadTable {
    /// One of about as many entries: rounded to a power of two, from eight to a million.
    pub(super) fn new(entries: usize) -> Self {
        let buckets = (entries >> BUCKET.trailing_zeros()).clamp(1, BUCKETS_MAX);
        // Rounded up, which the limit allows for, being a power of two.
        Self { buckets: vec![[HeadEntry::EMPTY; BUCKET]; buckets.next_power_of_two()].into_boxed_slice() }
    }

    /// Calls `see` with each pod that computed a head, whether or not it still holds it.
    pub(super) fn each_holder(&self, fingerprint: u64, mut see: impl FnMut(HeadHolder)) {
        let (at, tag) = self.place(fingerprint);
        // Plain loops: as chained iterators, these are most of what a look-up costs.
        for entry in self.buckets.get(at).into_iter().flatten() {
            if entry.is_of(tag) {
                entry.each_holder(&mut see);
            }
        }
    }

    /// A pod computes a head now. Returns `true` if it was not known to hold it.
    pub(super) fn touch(&mut self, fingerprint: u64, length: HeadLength, pod: PodNumber, pods: &PodCaches) -> bool {
        let Some(now) = pods.get(pod).map(PodCache::tick) else { return false };
        let (at, tag) = self.place(fingerprint);
        let Some(bucket) = self.buckets.get_mut(at) else { return false };
        let (mut entries, mut known) = (0_usize, None);
        for entry in bucket.iter_mut().filter(|entry| entry.is_of(tag)) {
            entry.learn(length);
            if let Some((_, touched)) = entry.holders_mut().find(|(holder, _)| **holder == pod) {
                let was_held = pods.get(pod).is_some_and(|pod| pod.holds(*touched));
                *touched = now;
                return !was_held;
            }
            (entries, known) = (entries.saturating_add(1), Some(*entry));
        }
        let mut oldest: Option<(u64, &mut PodNumber, &mut u32)> = None;
        for entry in bucket.iter_mut().filter(|entry| entry.is_of(tag)) {
            for (holder, touched) in entry.holders_mut() {
                let age = age(*holder, *touched, pods);
                if oldest.as_ref().is_none_or(|(oldest, ..)| age >= *oldest) {
                    oldest = Some((age, holder, touched));
                }
            }
        }
        if let Some((age, holder, touched)) = oldest
            && (age == u64::MAX || entries >= ENTRIES_MAX)
        {
            (*holder, *touched) = (pod, now);
            return true;
        }
        let unused = bucket.iter_mut().filter(|entry| !entry.is_of(tag)).max_by_key(|entry| entry.age(pods));
        if let Some(entry) = unused {
            let HeadEntry { tag, length, .. } = known.unwrap_or_else(|| HeadEntry::new(tag, length));
            *entry = HeadEntry { tag, length, ..HeadEntry::EMPTY };
            if let Some((holder, touched)) = entry.holders_mut().next() {
                (*holder, *touched) = (pod, now);
            }
        }
        true
    }

    /// Bucket and tag of a fingerprint.
    fn place(&self, fingerprint: u64) -> (usize, u32) {
        let kept = fingerprint >> (u64::BITS - FINGERPRINT_BITS);
        let bucket = (kept >> TAG_BITS) as usize & self.buckets.len().wrapping_sub(1);
        (bucket, (kept as u32) << 1)
    }
}

// === impl HeadEntry ===

impl HeadEntry {
    const EMPTY: Self = Self { tag: 0, length: 0, pods: [PodNumber::NONE; HOLDERS], touched: [0; HOLDERS] };

    fn new(tag: u32, length: HeadLength) -> Self {
        let mut entry = Self { tag, ..Self::EMPTY };
        entry.learn(length);
        entry
    }

    fn is_of(&self, tag: u32) -> bool {
        self.tag | 1 == tag | 1
    }

    fn each_holder(&self, see: &mut impl FnMut(HeadHolder)) {
        let tokens = u32::from(self.length) << LENGTH_SHIFT;
        for (&pod, &touched) in self.pods.iter().zip(&self.touched) {
            if pod != PodNumber::NONE {
                see(HeadHolder { pod, touched, tokens });
            }
        }
    }

    fn holders_mut(&mut self) -> impl Iterator<Item = (&mut PodNumber, &mut u32)> {
        self.pods.iter_mut().zip(&mut self.touched)
    }

    /// Takes a length that is better known than the one before. A measured one only grows: what
    /// follows the end of a prompt is its answer, which is held too.
    fn learn(&mut self, length: HeadLength) {
        let units = u16::try_from(length.tokens >> LENGTH_SHIFT).unwrap_or(u16::MAX);
        let was_measured = self.tag & 1 == 1;
        self.length = match (was_measured, length.is_measured) {
            (true, true) => self.length.max(units),
            (false, true) => units,
            (false, false) if self.length == 0 => units,
            (_, false) => self.length,
        };
        self.tag |= u32::from(length.is_measured);
    }

    /// Tokens that its pods computed since one of them used it.
    fn age(&self, pods: &PodCaches) -> u64 {
        let ages = self.pods.iter().zip(&self.touched).map(|(&pod, &touched)| age(pod, touched, pods));
        ages.min().unwrap_or(u64::MAX)
    }
}

/// Tokens that a pod computed since then; the most there are where it holds nothing of that time.
fn age(pod: PodNumber, touched: u32, pods: &PodCaches) -> u64 {
    pods.get(pod).filter(|pod| pod.holds(touched)).map_or(u64::MAX, |pod| pod.distance(touched))
}
