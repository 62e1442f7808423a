//! A model server as continuous batching, iteration by iteration, in virtual time.
//!
//! Pure and deterministic: time comes in as an argument, nothing is random, and no socket is in sight. The same engine
//! serves HTTP against the real clock ([`crate::server`]), is measured for profiles ([`crate::measure`]) and runs in
//! simulations.
//!
//! Scheduling follows vLLM: the sequences that run come first, each with one token or a chunk of its prompt, within a
//! token budget per iteration; then waiting ones are admitted first come, first served, while the cache has room for all of
//! their tokens. A running sequence that finds no free block preempts the youngest, which is computed again later.
//! How long an iteration takes is the roofline of the GPU and the model (`roofline.rs`) or a line ([`LinearCosts`]), unless the
//! server is told to behave otherwise ([`Behaviour`]).

mod batch;
mod behaviour;
mod cache;
mod content;
mod costs;
mod gpu;
mod lru_blocks;
mod model;
mod roofline;
mod sequence;
mod serve;
mod spec;
mod stretch;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use slo_router::scheduling::time::Instant;

use self::behaviour::Draw;
pub use self::behaviour::{Behaviour, Hiccups, Moods, Offloading, PrefixCache, SlowSpell, Speculation, Tempo};
use self::cache::{Cache, Owner};
pub use self::content::{BlockKey, CHUNK_TOKENS, Content, Prompt};
pub use self::costs::LinearCosts;
pub use self::gpu::Gpu;
pub use self::lru_blocks::LruBlocks;
pub use self::model::Model;
pub use self::roofline::{BLOCK_TOKENS, IterationCosts};
use self::sequence::Sequence;
pub use self::spec::{Batching, EngineSpec};

/// A caller's own number of a request; unique among those in the engine.
pub type RequestId = u64;

/// The model server.
#[derive(Debug)]
pub struct Engine {
    spec: EngineSpec,
    detail: Detail,
    draw: Draw,
    ids: HashSet<RequestId>,
    /// In order of admission.
    running: Vec<Sequence>,
    waiting: VecDeque<Sequence>,
    cache: Cache,
    /// Instant at which the iteration in flight ends; `None` while the engine is idle.
    iteration_ends_at: Option<Instant>,
    /// Ends of iterations that come before that one and tell nothing; see `stretch.rs`.
    stretch_ends: VecDeque<Instant>,
    /// Iterations so far, the one in flight included.
    iterations: u64,
    /// The latest time that the engine was told of.
    now: Instant,
    /// Preemptions since the last [`Engine::advance`].
    preempted: Vec<Event>,
}

/// Detail that an engine reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every token.
    EveryToken,
    /// The first token, the end and preemptions, at the same times; in fewer steps, so it is quicker.
    Milestones,
}

/// Something that happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The request.
    pub id: RequestId,
    /// Kind of the event.
    pub kind: EventKind,
    /// Instant of the event.
    pub at: Instant,
}

/// Kind of an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Its n-th output token (from 1) is there.
    Token {
        /// Output tokens so far, this one included.
        n: u32,
    },
    /// It is complete; comes right after its last token.
    Finished {
        /// Tokens of its prompt that the server had in a cache when it first started on it.
        cached_tokens: u32,
    },
    /// It lost its cache and waits to be computed again; its tokens so far stand.
    Preempted,
}

/// Load of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Requests that hold cache.
    pub running: usize,
    /// Requests that wait for cache.
    pub waiting: usize,
    /// Blocks of cache held.
    pub kv_blocks_used: u32,
    /// Blocks of cache in all.
    pub kv_blocks: u32,
}

/// Reason that an engine does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Its prompt and output would never fit the cache.
    #[error("{tokens} tokens of prompt and output exceed the {limit} that the server's cache holds")]
    TooLong {
        /// Prompt and output.
        tokens: u64,
        /// Number of tokens that the whole cache holds.
        limit: u64,
    },
    /// A request with that number is in the engine.
    #[error("request {0} is there already")]
    Duplicate(RequestId),
}

// === impl Engine ===

impl Engine {
    /// An idle server.
    pub fn new(spec: EngineSpec) -> Self {
        Self {
            spec,
            detail: Detail::EveryToken,
            draw: Draw::new(0),
            ids: HashSet::new(),
            running: Vec::new(),
            waiting: VecDeque::new(),
            cache: Cache::new(spec.kv_blocks, spec.behaviour.offloading),
            iteration_ends_at: None,
            stretch_ends: VecDeque::new(),
            iterations: 0,
            now: Instant::ZERO,
            preempted: Vec::new(),
        }
    }

    /// The same, which tells this much.
    #[must_use]
    pub fn telling(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// The same with a seed for what is random in its behaviour; 0 unless told. Nothing is in a plain one's.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { draw: Draw::new(seed), ..self }
    }

    /// Takes a request at `now`; an idle engine starts on it at once. An empty prompt counts as one token; no output
    /// tokens means that only the prompt is computed (embeddings).
    ///
    /// [`Engine::advance`] to `now` first, or what happened until then is told late.
    pub fn submit(
        &mut self,
        id: RequestId,
        prompt: impl Into<Prompt>,
        output_tokens: u32,
        now: Instant,
    ) -> Result<(), SubmitError> {
        let prompt = prompt.into();
        let prompt = Prompt { tokens: prompt.tokens.max(1), ..prompt };
        let (tokens, limit) = (u64::from(prompt.tokens) + u64::from(output_tokens), self.spec.kv_tokens());
        if tokens > limit {
            return Err(SubmitError::TooLong { tokens, limit });
        }
        if !self.ids.insert(id) {
            return Err(SubmitError::Duplicate(id));
        }
        self.now = self.now.max(now);
        self.cut_stretch();
        let prefix_cache = self.spec.behaviour.prefix_cache;
        let cached = prefix_cache.map_or(0, |cache| cache.cached_tokens(id, prompt.tokens, self.draw));
        self.waiting.push_back(Sequence::new(id, prompt, cached, output_tokens));
        self.start_if_idle();
        Ok(())
    }

    /// Removes a request at `now` and frees its cache; no event of it follows. `false` if it is not there. The iteration
    /// in flight still takes its time.
    pub fn cancel(&mut self, id: RequestId, now: Instant) -> bool {
        if !self.ids.remove(&id) {
            return false;
        }
        self.now = self.now.max(now);
        self.cut_stretch();
        self.waiting.retain(|sequence| sequence.id != id);
        if let Some(place) = self.running.iter().position(|sequence| sequence.id == id) {
            self.running.remove(place).release(&mut self.cache);
        }
        self.preempted.retain(|event| event.id != id);
        true
    }

    /// Returns the instant at which something may happen next: an iteration ends after which there
    /// may be something to report. `None` while the engine is idle.
    pub fn next_event_at(&self) -> Option<Instant> {
        self.iteration_ends_at
    }

    /// Moves time on to `to`; what happened until then, in order of time.
    pub fn advance(&mut self, to: Instant) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.preempted);
        while let Some(ends_at) = self.iteration_ends_at.filter(|at| *at <= to) {
            self.now = ends_at;
            self.settle_stretch();
            self.complete_iteration(&mut events);
            self.iteration_ends_at = None;
            self.start_if_idle();
            events.append(&mut self.preempted);
        }
        self.now = self.now.max(to);
        self.settle_stretch();
        events
    }

    /// Returns its load.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            running: self.running.len(),
            waiting: self.waiting.len(),
            kv_blocks_used: self.cache.held(),
            kv_blocks: self.spec.kv_blocks,
        }
    }

    /// Returns the tokens at the prompt's begin that it would not compute, were it to start on it now.
    pub fn cached_tokens(&self, prompt: Prompt) -> u32 {
        let owner = |content| Owner { request: RequestId::MAX, content: Some(content) };
        prompt.content.map_or(0, |content| self.cache.cached_tokens(owner(content), prompt.tokens))
    }

    /// Returns the least time of its iterations.
    pub fn iteration_costs(&self) -> IterationCosts {
        self.spec.iteration_costs()
    }
}

// === impl Gauges ===

impl Gauges {
    /// Share of the cache in use, 0 to 1.
    pub fn kv_usage(&self) -> f64 {
        f64::from(self.kv_blocks_used) / f64::from(self.kv_blocks)
    }
}
