//! Load of one deployment's pods: each VM has a column with the sums of its own requests.
//!
//! Columns are absolute, so writing one again changes nothing; a dead VM's column is left out.

use serde::{Deserialize, Serialize};

use super::membership::FencingToken;
use crate::scheduling::pod_load::PodLoads;

/// Load of one deployment's pods, by VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    columns: Vec<(FencingToken, PodLoads)>,
}

// === impl Ledger ===

impl Ledger {
    /// Replaces one VM's column.
    pub fn publish(&mut self, fence: FencingToken, column: PodLoads) {
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
    pub fn columns(&self) -> impl Iterator<Item = (FencingToken, &PodLoads)> {
        self.columns.iter().map(|(owner, column)| (*owner, column))
    }
}
