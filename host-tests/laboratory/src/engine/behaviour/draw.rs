//! Random numbers by what they are for.

/// A server's seed.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Draw(u64);

/// Purpose that a number is drawn for. Two purposes never share one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Jitter,
    Hiccup,
    Mood,
    Acceptance,
    AcceptedTokens,
    PrefixHit,
    PrefixShare,
}

// === impl Draw ===

impl Draw {
    pub(in crate::engine) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform from 0 to below 1; the same for the same arguments.
    pub(super) fn uniform(self, purpose: Purpose, subject: u64, number: u64) -> f64 {
        let key = [purpose as u64, subject, number].into_iter().fold(mix(self.0), |hash, part| mix(hash ^ part));
        // The upper 53 bits: as many as a float holds.
        (key >> 11) as f64 * 2.0_f64.powi(-53)
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014), one step on.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
