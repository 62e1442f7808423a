//! One axis of a profile: where it was measured, in tokens.

use super::ProfileError;

/// More ticks than any measured grid has; a bound on what a stranger's document can make us hold.
const MAX_TICKS: usize = 64;

/// Strictly ascending positive ticks, at least one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis(Vec<f64>);

// === impl Axis ===

impl Axis {
    /// Checks the ticks; `field` names them in errors.
    pub(super) fn try_new(field: &str, ticks: &[Option<f64>]) -> Result<Self, ProfileError> {
        if ticks.is_empty() || ticks.len() > MAX_TICKS {
            return Err(ProfileError::invalid(field, format!("{} ticks", ticks.len()), "1 to 64 ticks"));
        }
        let mut checked = Vec::with_capacity(ticks.len());
        let mut last = 0.0;
        for (index, tick) in ticks.iter().enumerate() {
            match *tick {
                Some(tick) if tick.is_finite() && tick > last => {
                    last = tick;
                    checked.push(tick);
                }
                other => {
                    let found = other.map_or_else(|| "no number".to_owned(), |tick| tick.to_string());
                    let expected = "positive, finite numbers of tokens, strictly ascending";
                    return Err(ProfileError::invalid(format_args!("{field}[{index}]"), found, expected));
                }
            }
        }
        Ok(Self(checked))
    }

    /// The ticks, in tokens.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    /// Number of ticks.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The index of the tick nearest in log2 space, the upper of two equally near ones, and whether
    /// the tokens lie beyond the ends.
    ///
    /// v is nearer to l than to u in log2 space iff v/l < u/v, that is v² < l·u: exact for whole
    /// numbers of tokens, which their logarithms are not.
    pub(super) fn nearest(&self, tokens: u32) -> (usize, bool) {
        let tokens = f64::from(tokens);
        let above = self.0.partition_point(|tick| *tick < tokens);
        let below = above.saturating_sub(1);
        match (self.0.get(below), self.0.get(above)) {
            (Some(_), None) => (below, true),
            (Some(lower), Some(upper)) if above > 0 && tokens * tokens < lower * upper => (below, false),
            (_, Some(upper)) => (above, above == 0 && tokens < *upper),
            (None, None) => (0, true),
        }
    }

    /// Tokens as a multiple of their nearest tick; 1 beyond the ends. Between the ends it lies
    /// within the square root of the ratio of two neighbours.
    pub(super) fn share_of_tick(&self, tokens: u32) -> f64 {
        match self.nearest(tokens) {
            (index, false) => self.0.get(index).map_or(1.0, |tick| f64::from(tokens) / tick),
            (_, true) => 1.0,
        }
    }

    /// Returns the distance of each tick from the one at `index`, as the difference of their log2.
    pub(super) fn distances_log2(&self, index: usize) -> impl Iterator<Item = f64> {
        let origin = self.0.get(index).or(self.0.last()).map_or(0.0, |tick| tick.log2());
        self.0.iter().map(move |tick| tick.log2() - origin)
    }
}
