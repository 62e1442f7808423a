//! The board as one VM last saw or left it, and how it changes it.
//!
//! Envoy numbers all writes of shared data by one counter, so a VM can expect the number that its
//! own write got: the one after the number that it wrote over, unless another write came between.
//! Where that held the last time, a change is tried on what is known, without reading: if the value
//! has that very number, it is what this VM wrote, for numbers only grow and its own write got none
//! below. Else nothing is written, and the change is made on a fresh reading. So a VM that nobody
//! disturbs reads nothing, and any other pays for one failed write.

use std::rc::Rc;

use super::board::Board;
use super::store::{self, Contended, NEVER, Store, TRIES};

/// See the module.
#[derive(Debug)]
pub struct Noticeboard<S> {
    store: S,
    key: String,
    board: Rc<Board>,
    /// The number of the value that `board` is, as read or expected; `None` where it is no value
    /// that was stored.
    version: Option<u32>,
    /// `true` where the last expectation held.
    undisturbed: bool,
    readings: ReadingNumber,
}

/// Tells what was read anew from what was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingNumber(u64);

// === impl Noticeboard ===

impl<S: Store> Noticeboard<S> {
    /// The board under this key; nothing of it is known yet.
    pub fn new(store: S, key: String) -> Self {
        let board = Rc::default();
        Self { store, key, board, version: None, undisturbed: false, readings: ReadingNumber::default() }
    }

    /// Shared data itself.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The board as it is now.
    pub fn read(&mut self) -> Rc<Board> {
        let stored = self.store.get(&self.key);
        self.undisturbed = self.version == Some(stored.version);
        if !self.undisturbed {
            self.board = Rc::new(store::decode(&stored.bytes));
            self.version = Some(stored.version);
            self.readings.0 = self.readings.0.wrapping_add(1);
        }
        Rc::clone(&self.board)
    }

    /// The board as it most likely is: good for what is then written, which shows whether it was.
    pub fn recall(&mut self) -> Rc<Board> {
        if self.undisturbed && self.version.is_some() { Rc::clone(&self.board) } else { self.read() }
    }

    /// The board as this VM read or wrote it last.
    pub fn known(&self) -> &Rc<Board> {
        &self.board
    }

    /// Returns the reading that [`Self::known`] goes back to.
    pub fn reading(&self) -> ReadingNumber {
        self.readings
    }

    /// Changes the board, again and again until no other VM interferes. `change` returns `None` to
    /// leave it as it is.
    pub fn update<R>(&mut self, mut change: impl FnMut(&mut Board) -> Option<R>) -> Result<Option<R>, Contended> {
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

    /// Changes the board as it was at `reading`, if nobody else has changed it since.
    pub fn update_as_read<R>(
        &mut self,
        reading: ReadingNumber,
        change: impl FnOnce(&mut Board) -> Option<R>,
    ) -> Result<Option<R>, Contended> {
        if reading == self.readings { self.attempt(change) } else { Err(Contended) }
    }

    fn attempt<R>(&mut self, change: impl FnOnce(&mut Board) -> Option<R>) -> Result<Option<R>, Contended> {
        let version = self.version.take().ok_or(Contended)?;
        let board = Rc::make_mut(&mut self.board);
        // Without a result it may have been changed in part, and is no value that was stored.
        let Some(result) = change(board) else { return Ok(None) };
        let written = self.store.set(&self.key, &store::encode(board), version);
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
