//! The containers around the innermost, a bit for each: there may be a million.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Nest {
    /// One bit for each, set for an object, in words that are full; the innermost is the lowest bit
    /// of the last.
    full: Vec<u64>,
    last: u64,
    depth: usize,
}

// === impl Nest ===

impl Nest {
    #[inline]
    pub(super) fn push(&mut self, is_object: bool) {
        if self.depth != 0 && self.depth & 63 == 0 {
            self.full.push(self.last);
        }
        self.last = self.last << 1 | u64::from(is_object);
        self.depth = self.depth.wrapping_add(1);
    }

    /// Takes the innermost away; says whether it was an object.
    #[inline]
    pub(super) fn pop(&mut self) -> bool {
        let is_object = self.last & 1 == 1;
        self.last >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth != 0 && self.depth & 63 == 0 {
            self.last = self.full.pop().unwrap_or_default();
        }
        is_object
    }

    #[inline]
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}

#[cfg(test)]
mod tests {
    use super::Nest;

    #[test]
    fn the_innermost_is_known_at_any_depth() {
        let is_object = |depth: usize| depth.is_multiple_of(3);
        let mut nest = Nest::default();
        (0..1_000).for_each(|depth| nest.push(is_object(depth)));
        for depth in (0..1_000).rev() {
            assert_eq!((nest.depth(), nest.pop()), (depth + 1, is_object(depth)));
        }
        assert_eq!(nest.depth(), 0);
    }
}
