//! Index into a long ascending list of lengths, which finds the place of one of them in a step or
//! two: halving the list would touch a cache line at each half, and hundreds of such lists are in
//! use at once, one for each moment in which requests were placed.

/// Places of an index, at most.
const PLACES: u32 = 256;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    /// Number of lengths below each multiple of 2^`shift`.
    below: Box<[u16]>,
    shift: u32,
    all: usize,
}

// === impl Index ===

impl Index {
    /// Of ascending lengths, at most 65,535 of them.
    pub(super) fn of(lengths: impl ExactSizeIterator<Item = u32> + DoubleEndedIterator + Clone) -> Self {
        let all = lengths.len();
        let longest = lengths.clone().next_back().unwrap_or_default();
        let shift = (0..u32::BITS).find(|shift| longest >> shift < PLACES).unwrap_or_default();
        let mut lengths = lengths.peekable();
        let mut count = 0_u16;
        let below = (0..=longest >> shift).map(|place| {
            while lengths.next_if(|length| *length < place << shift).is_some() {
                count = count.saturating_add(1);
            }
            count
        });
        Self { below: below.collect(), shift, all }
    }

    /// A position before which all lengths are below `tokens`, close to the first that is not.
    pub(super) fn first_at(&self, tokens: f64) -> usize {
        // A cast saturates; what is no number comes first.
        let place = (tokens as u32) >> self.shift;
        self.below.get(place as usize).map_or(self.all, |count| usize::from(*count))
    }
}
