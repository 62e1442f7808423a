//! The pool's state as one VM last saw or left it, and how it changes it.
//!
//! Envoy numbers all writes of shared data by one counter, so a VM can expect the number that its
//! own write got: the one after the number that it wrote over, unless another write came between.
//! Where that held the last time, a change is tried on what is known, without reading: if the value
//! has that very number, it is what this VM wrote, for numbers only grow and its own write got none
//! below. Else nothing is written, and the change is made on a fresh reading. So a VM that nobody
//! disturbs reads nothing, and any other pays for one failed write.

use std::rc::Rc;

use super::pool_state::PoolState;
use super::store::{self, Contended, NEVER, Store, TRIES};

/// See the module.
#[derive(Debug)]
pub struct StateCache<S> {
    store: S,
    key: String,
    pool_state: Rc<PoolState>,
    /// The number of the value that `pool_state` is, as read or expected; `None` where it is no
    /// value that was stored.
    version: Option<u32>,
    /// `true` where the last expectation held.
    undisturbed: bool,
    readings: ReadingNumber,
}

/// Tells what was read anew from what was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingNumber(u64);

// === impl StateCache ===

impl<S: Store> StateCache<S> {
    /// The pool's state under this key; nothing of it is known yet.
    pub fn new(store: S, key: String) -> Self {
        let pool_state = Rc::default();
        Self { store, key, pool_state, version: None, undisturbed: false, readings: ReadingNumber::default() }
    }

    /// Shared data itself.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The pool's state as it is now.
    pub fn read(&mut self) -> Rc<PoolState> {
        let stored = self.store.get(&self.key);
        self.undisturbed = self.version == Some(stored.version);
        if !self.undisturbed {
            self.pool_state = Rc::new(store::decode(&stored.bytes));
            self.version = Some(stored.version);
            self.readings.0 = self.readings.0.wrapping_add(1);
        }
        Rc::clone(&self.pool_state)
    }

    /// The pool's state as it most likely is: good for what is then written, which shows whether it
    /// was.
    pub fn recall(&mut self) -> Rc<PoolState> {
        if self.undisturbed && self.version.is_some() { Rc::clone(&self.pool_state) } else { self.read() }
    }

    /// The pool's state as this VM read or wrote it last.
    pub fn known(&self) -> &Rc<PoolState> {
        &self.pool_state
    }

    /// Returns the reading that [`Self::known`] goes back to.
    pub fn reading(&self) -> ReadingNumber {
        self.readings
    }

    /// Changes the pool's state, again and again until no other VM interferes. `change` returns
    /// `None` to leave it as it is.
    pub fn update<R>(&mut self, mut change: impl FnMut(&mut PoolState) -> Option<R>) -> Result<Option<R>, Contended> {
        if self.undisturbed
            && let Ok(Some(result)) = self.attempt(&mut change)
        {
            return Ok(Some(result));
        }
        for _ in 0..TRIES {
            self.read();
            match self.attempt(&mut change) {
                Err(Contended) => {}
                done => return done,
            }
        }
        Err(Contended)
    }

    /// Changes the pool's state as it was at `reading`, if nobody else has changed it since.
    pub fn update_as_read<R>(
        &mut self,
        reading: ReadingNumber,
        change: impl FnOnce(&mut PoolState) -> Option<R>,
    ) -> Result<Option<R>, Contended> {
        if reading == self.readings { self.attempt(change) } else { Err(Contended) }
    }

    fn attempt<R>(&mut self, change: impl FnOnce(&mut PoolState) -> Option<R>) -> Result<Option<R>, Contended> {
        let version = self.version.take().ok_or(Contended)?;
        let pool_state = Rc::make_mut(&mut self.pool_state);
        // Without a result it may have been changed in part, and is no value that was stored.
        let Some(result) = change(pool_state) else { return Ok(None) };
        let written = self.store.set(&self.key, &store::encode(pool_state), version);
        self.undisturbed &= written.is_ok();
        written?;
        self.version = successor(version);
        Ok(Some(result))
    }
}

/// The number after this one, as Envoy counts: without 0, which matches anything.
fn successor(version: u32) -> Option<u32> {
    let next = version.wrapping_add(1).max(1);
    (version != NEVER && next != NEVER).then_some(next)
}
