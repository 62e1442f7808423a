//! Load of one deployment's pods: each VM has a column with the sums of its own requests.
//!
//! Columns are absolute, so writing one again changes nothing; a dead VM's column is left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::membership::FencingToken;
use crate::scheduling::load::Load;
use crate::scheduling::pool::PodId;

/// Load of one deployment's pods, by VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    columns: Vec<(FencingToken, Column)>,
}

/// Load by pod: one VM's part, or a sum.
pub type Column = BTreeMap<PodId, Entry>;

/// Load and number of requests of one pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Sum of pending loads in millionths of a pod; wide enough never to saturate, so adding and
    /// taking cancel out.
    load_micro: u64,
    /// Requests in flight.
    pub count: u32,
}

// === impl Ledger ===

impl Ledger {
    /// Replaces one VM's column.
    pub fn publish(&mut self, fence: FencingToken, column: Column) {
        let own = self.columns.iter().position(|(owner, _)| *owner == fence);
        match own.and_then(|position| self.columns.get_mut(position)) {
            Some((_, known)) if !column.is_empty() => *known = column,
            Some(_) => self.columns.retain(|(owner, _)| *owner != fence),
            None if column.is_empty() => {}
            None => self.columns.push((fence, column)),
        }
    }

    /// Leaves out the columns of VMs that are gone.
    pub fn retain(&mut self, lives: impl Fn(FencingToken) -> bool) {
        self.columns.retain(|(owner, _)| lives(*owner));
    }

    /// Returns `true` if nothing runs.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Each VM's column.
    pub fn columns(&self) -> impl Iterator<Item = (FencingToken, &Column)> {
        self.columns.iter().map(|(owner, column)| (*owner, column))
    }
}

// === impl Entry ===

impl Entry {
    /// The pending load of what runs.
    pub fn load(&self) -> Load {
        Load::from_micro(u32::try_from(self.load_micro).unwrap_or(u32::MAX))
    }

    /// Returns `true` if it can be the sum of requests: there is one at least, and none takes more
    /// than a whole pod.
    pub(super) fn is_sound(&self) -> bool {
        self.count > 0 && self.load_micro <= u64::from(self.count).saturating_mul(Load::CAPACITY.as_micro().into())
    }

    /// Adds a request.
    pub fn charge(&mut self, load: Load) {
        self.add(Self { load_micro: u64::from(load.as_micro()), count: 1 });
    }

    /// Takes a request off.
    pub fn release(&mut self, load: Load) {
        self.load_micro = self.load_micro.saturating_sub(u64::from(load.as_micro()));
        self.count = self.count.saturating_sub(1);
    }

    /// Adds what another entry holds.
    pub fn add(&mut self, other: Self) {
        self.load_micro = self.load_micro.saturating_add(other.load_micro);
        self.count = self.count.saturating_add(other.count);
    }
}
