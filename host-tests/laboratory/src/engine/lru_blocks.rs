//! A bounded set of blocks, of which the least recently used make room for others.

use std::collections::{BTreeMap, HashMap};

use super::content::BlockKey;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LruBlocks {
    /// Use of each block.
    uses: HashMap<BlockKey, u64>,
    /// Blocks by their latest use.
    order: BTreeMap<u64, BlockKey>,
    clock: u64,
}

// === impl LruBlocks ===

impl LruBlocks {
    /// Returns how many blocks of a prompt it begins with.
    pub fn matched(&self, blocks: impl Iterator<Item = BlockKey>) -> usize {
        blocks.take_while(|block| self.uses.contains_key(block)).count()
    }

    /// Records the use of blocks; so many are kept.
    pub fn record(&mut self, blocks: impl Iterator<Item = BlockKey>, capacity: usize) {
        for block in blocks {
            self.clock += 1;
            if let Some(before) = self.uses.insert(block, self.clock) {
                self.order.remove(&before);
            }
            self.order.insert(self.clock, block);
        }
        while self.order.len() > capacity
            && let Some((_, block)) = self.order.pop_first()
        {
            self.uses.remove(&block);
        }
    }
}
