//! Pods that broke off, erred or stayed silent, and are not out yet: once may be chance, or the
//! client's doing.

use serde::{Deserialize, Serialize};

use super::sign::Sign;
use crate::scheduling::pool::PodId;

/// So many in a row are no chance.
const ENOUGH: u32 = 3;

/// An error counts so much against each good answer: a pod that errs in more than a third of what
/// it does is out sooner or later, after three where nothing is good between, and one whose clients
/// ask amiss less often never.
const ERROR_WEIGHT: u32 = 2;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspects(Vec<Suspect>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Suspect {
    id: PodId,
    /// Answers that broke off, without a good one between.
    broke_off: u32,
    /// Errors by their weight, less the good answers since.
    errors: u32,
    /// Requests that it left without a word, with no word between.
    silent: u32,
}

// === impl Suspects ===

impl Suspects {
    /// Counts what was seen. Says whether that is enough to take the pod out; it counts anew then.
    pub(super) fn count(&mut self, id: PodId, sign: Sign, pool: &[PodId]) -> bool {
        self.0.retain(|suspect| pool.contains(&suspect.id));
        let position = self.0.iter().position(|suspect| suspect.id == id).unwrap_or_else(|| {
            self.0.push(Suspect { id, broke_off: 0, errors: 0, silent: 0 });
            self.0.len().saturating_sub(1)
        });
        let Some(suspect) = self.0.get_mut(position) else { return false };
        match sign {
            Sign::Silent => suspect.silent = suspect.silent.saturating_add(1),
            Sign::Erred => {
                suspect.errors = suspect.errors.saturating_add(ERROR_WEIGHT);
                suspect.silent = 0;
            }
            _ => {
                suspect.broke_off = suspect.broke_off.saturating_add(1);
                suspect.silent = 0;
            }
        }
        let errors = suspect.errors.checked_div(ERROR_WEIGHT).unwrap_or_default();
        let is_enough = suspect.broke_off.max(suspect.silent).max(errors) >= ENOUGH;
        if is_enough {
            self.0.remove(position);
        }
        is_enough
    }

    /// The pod said something. Says whether that changed anything.
    pub(super) fn heard(&mut self, id: PodId) -> bool {
        let suspect = self.0.iter_mut().find(|suspect| suspect.id == id);
        suspect.is_some_and(|suspect| std::mem::take(&mut suspect.silent) > 0)
    }

    /// The pod answered well. Says whether it was suspected.
    pub(super) fn answered_well(&mut self, id: PodId) -> bool {
        let Some(position) = self.0.iter().position(|suspect| suspect.id == id) else { return false };
        if let Some(suspect) = self.0.get_mut(position) {
            (suspect.broke_off, suspect.silent) = (0, 0);
            suspect.errors = suspect.errors.saturating_sub(1);
            if suspect.errors == 0 {
                self.0.remove(position);
            }
        }
        true
    }
}
