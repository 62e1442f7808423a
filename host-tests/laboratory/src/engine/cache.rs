//! The blocks of the KV cache: who holds them, and what those say that nobody holds any more.
//!
//! As in vLLM: a full block is known by its content and all that precedes it. Blocks that nobody holds stay known until their room
//! is needed; the one that was let go longest ago goes first, and of one request's its last. Whether blocks are known at all is
//! the server's option ([`Behaviour::keeps_blocks`](super::Behaviour::keeps_blocks)).
//!
//! One thing is simpler: of two requests that compute the same block at once, both hold the one that is complete first, where vLLM
//! keeps both until they end.

use std::collections::{BTreeMap, HashMap};

use super::behaviour::Offloading;
use super::content::{BlockKey, Content};
use super::lru_blocks::LruBlocks;
use super::roofline::BLOCK_TOKENS;

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    blocks: u32,
    /// Blocks that nobody holds and that say nothing.
    blank: u32,
    known: HashMap<BlockKey, Known>,
    /// Known blocks that nobody holds, in the order in which they were let go.
    idle: BTreeMap<u64, BlockKey>,
    let_go: u64,
    /// Blocks that were evicted to the host's memory, and how many it has room for.
    host: LruBlocks,
    host_blocks: usize,
}

#[derive(Clone, Copy, Debug)]
enum Known {
    /// By so many requests, at least one.
    Held(u32),
    /// By nobody: its key in `idle`.
    Idle(u64),
}

/// The blocks that a request holds: first those that are known, then others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hold {
    pub blocks: u32,
    known: u32,
    /// Those of the known ones that came from the host's memory when it was admitted.
    loaded: u32,
}

/// Owner of blocks: a request and its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub request: u64,
    pub content: Option<Content>,
}

// === impl Cache ===

impl Cache {
    pub(super) fn new(blocks: u32, offloading: Option<Offloading>) -> Self {
        Self {
            blocks,
            blank: blocks,
            known: HashMap::new(),
            idle: BTreeMap::new(),
            let_go: 0,
            host: LruBlocks::default(),
            host_blocks: offloading.map_or(0, |to| to.tokens / BLOCK_TOKENS) as usize,
        }
    }

    /// Blocks that nobody holds.
    pub(super) fn free(&self) -> u32 {
        self.blank + self.idle.len() as u32
    }

    /// Blocks that are held.
    pub(super) fn held(&self) -> u32 {
        self.blocks - self.free()
    }

    /// Returns how many of its first `tokens` need not be computed: never the last one.
    pub(super) fn cached_tokens(&self, owner: Owner, tokens: u32) -> u32 {
        let (known, loaded) = self.known_blocks(owner, tokens);
        (known + loaded) * BLOCK_TOKENS
    }

    /// Returns the number of known blocks that its first `tokens` begin with, without the last token,
    /// and of those behind them that the host's memory has.
    fn known_blocks(&self, owner: Owner, tokens: u32) -> (u32, u32) {
        let most = tokens.saturating_sub(1) / BLOCK_TOKENS;
        let known = (0..most).take_while(|position| self.known.contains_key(&owner.key(*position))).count() as u32;
        (known, self.host.matched((known..most).map(|position| owner.key(position))) as u32)
    }

    /// Holds the known blocks that its first `tokens` begin with, all but the last token at most, and blocks for the rest of
    /// them; `None` if there is no room.
    pub(super) fn admit(&mut self, owner: Owner, tokens: u32) -> Option<Hold> {
        let (known, loaded) = self.known_blocks(owner, tokens);
        let idle = (0..known).filter(|position| matches!(self.known[&owner.key(*position)], Known::Idle(_))).count();
        let blocks = tokens.div_ceil(BLOCK_TOKENS);
        if idle as u32 + (blocks - known) > self.free() {
            return None;
        }
        for position in 0..known {
            self.hold_known(owner.key(position));
        }
        self.host.record((known..known + loaded).map(|position| owner.key(position)), self.host_blocks);
        self.take(blocks - known);
        let mut hold = Hold { blocks, known, loaded };
        self.note_computed(owner, &mut hold, (known + loaded) * BLOCK_TOKENS);
        Some(hold)
    }

    /// Holds so many blocks more; there must be as many.
    pub(super) fn extend(&mut self, hold: &mut Hold, blocks: u32) {
        self.take(blocks);
        hold.blocks += blocks;
    }

    /// The first `tokens` are computed: their full blocks are known from now on.
    pub(super) fn note_computed(&mut self, owner: Owner, hold: &mut Hold, tokens: u32) {
        while hold.known < tokens / BLOCK_TOKENS {
            let key = owner.key(hold.known);
            if self.hold_known(key) {
                self.blank += 1;
            } else {
                self.known.insert(key, Known::Held(1));
            }
            hold.known += 1;
        }
    }

    /// Lets all blocks go.
    pub(super) fn release(&mut self, owner: Owner, hold: &mut Hold) {
        let Hold { blocks, known, .. } = std::mem::take(hold);
        self.blank += blocks - known;
        for position in (0..known).rev() {
            let key = owner.key(position);
            match self.known.get_mut(&key) {
                Some(Known::Held(holders)) if *holders > 1 => *holders -= 1,
                Some(known) => {
                    self.let_go += 1;
                    *known = Known::Idle(self.let_go);
                    self.idle.insert(self.let_go, key);
                }
                None => {}
            }
        }
    }

    /// Returns `true` if the block is known, and adds a holder to it.
    fn hold_known(&mut self, key: BlockKey) -> bool {
        let Some(known) = self.known.get_mut(&key) else { return false };
        match known {
            Known::Held(holders) => *holders += 1,
            Known::Idle(since) => {
                self.idle.remove(since);
                *known = Known::Held(1);
            }
        }
        true
    }

    fn take(&mut self, blocks: u32) {
        let blank = blocks.min(self.blank);
        self.blank -= blank;
        for _ in blank..blocks {
            if let Some((_, key)) = self.idle.pop_first() {
                self.known.remove(&key);
                if self.host_blocks > 0 {
                    self.host.record(std::iter::once(key), self.host_blocks);
                }
            }
        }
    }
}

// === impl Hold ===

impl Hold {
    /// Tokens that need not be computed, right after it was admitted.
    pub(super) const fn known_tokens(&self) -> u32 {
        self.known * BLOCK_TOKENS
    }

    /// Those of them that come from the host's memory.
    pub(super) const fn loaded_tokens(&self) -> u32 {
        self.loaded * BLOCK_TOKENS
    }
}

// === impl Owner ===

impl Owner {
    const fn key(&self, position: u32) -> BlockKey {
        BlockKey::new(self.request, self.content, position, BLOCK_TOKENS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(request: u64, conversation: u32) -> Owner {
        Owner { request, content: Some(Content::behind(1, 64, conversation)) }
    }

    /// Admits a request, computes all of its tokens, and lets it go; tokens that were known.
    fn serve(cache: &mut Cache, owner: Owner, tokens: u32) -> u32 {
        let mut hold = cache.admit(owner, tokens).unwrap();
        let known = hold.known_tokens();
        cache.note_computed(owner, &mut hold, tokens);
        cache.release(owner, &mut hold);
        assert_eq!(cache.held(), 0);
        known
    }

    #[test]
    fn a_later_turn_knows_the_earlier_one_and_another_conversation_the_system_prompt() {
        let mut cache = Cache::new(100, None);
        assert_eq!(serve(&mut cache, owner(1, 1), 100), 0);
        // 100 tokens are six full blocks.
        assert_eq!(serve(&mut cache, owner(2, 1), 200), 96);
        assert_eq!(serve(&mut cache, owner(3, 2), 200), 64);
        let other = Content::behind(2, 64, 1);
        assert_eq!(serve(&mut cache, Owner { request: 4, content: Some(other) }, 200), 0);
        assert_eq!(serve(&mut cache, Owner { request: 5, content: None }, 200), 0);
    }

    #[test]
    fn the_last_token_of_a_prompt_is_computed_in_any_case() {
        let mut cache = Cache::new(100, None);
        serve(&mut cache, owner(1, 1), 160);
        assert_eq!(serve(&mut cache, owner(2, 1), 160), 144);
        assert_eq!(serve(&mut cache, owner(3, 1), 161), 160);
    }

    #[test]
    fn the_block_that_was_let_go_longest_ago_makes_room_and_of_one_request_its_last() {
        let mut cache = Cache::new(10, None);
        serve(&mut cache, owner(1, 1), 96);
        serve(&mut cache, Owner { request: 2, content: None }, 64);
        // Ten blocks are known; three of the first conversation's six are needed.
        serve(&mut cache, Owner { request: 3, content: None }, 48);
        assert_eq!(serve(&mut cache, owner(4, 1), 96), 48);
    }

    #[test]
    fn blocks_that_made_room_come_back_from_the_hosts_memory_until_others_take_theirs() {
        let mut cache = Cache::new(10, Some(Offloading { tokens: 96, load_s_per_token: 1e-5 }));
        serve(&mut cache, owner(1, 1), 96);
        serve(&mut cache, Owner { request: 2, content: None }, 160);
        let mut hold = cache.admit(owner(3, 1), 100).unwrap();
        assert_eq!((hold.known_tokens(), hold.loaded_tokens(), cache.held()), (96, 96, 7));
        cache.release(owner(3, 1), &mut hold);
        // They are on the GPU again.
        let mut hold = cache.admit(owner(4, 1), 100).unwrap();
        assert_eq!((hold.known_tokens(), hold.loaded_tokens()), (96, 0));
        cache.release(owner(4, 1), &mut hold);
        serve(&mut cache, Owner { request: 5, content: None }, 160);
        serve(&mut cache, Owner { request: 6, content: None }, 160);
        assert_eq!(serve(&mut cache, owner(7, 1), 100), 0);
    }

    #[test]
    fn what_is_held_makes_no_room() {
        let mut cache = Cache::new(10, None);
        let mut hold = cache.admit(owner(1, 1), 96).unwrap();
        cache.note_computed(owner(1, 1), &mut hold, 96);
        assert_eq!((cache.held(), cache.free()), (6, 4));
        assert!(cache.admit(Owner { request: 2, content: None }, 65).is_none());
        // A turn more shares all but the last of its seven blocks, so it fits.
        let next = cache.admit(owner(3, 1), 100).unwrap();
        assert_eq!((next.known_tokens(), cache.held()), (96, 7));
    }

    #[test]
    fn two_that_compute_the_same_block_hold_one_of_it() {
        let mut cache = Cache::new(10, None);
        let [mut one, mut other] = [1, 2].map(|request| cache.admit(owner(request, 1), 64).unwrap());
        assert_eq!(cache.held(), 8);
        cache.note_computed(owner(1, 1), &mut one, 64);
        cache.note_computed(owner(2, 1), &mut other, 64);
        assert_eq!(cache.held(), 4);
        cache.release(owner(1, 1), &mut one);
        assert_eq!(cache.held(), 4);
        cache.release(owner(2, 1), &mut other);
        assert_eq!(cache.free(), 10);
    }
}
