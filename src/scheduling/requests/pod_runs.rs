//! Runs on each pod of the pool, request by request, kept up to date as requests come and go here
//! and in other VMs: a round that put it together anew would pay for all that runs.

use std::rc::Rc;

use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::request::RequestId;
use crate::scheduling::run::Run;
use crate::scheduling::view::OnPods;

/// Key of a run: the slot of the VM that reported it, none for this one, and the request there.
pub type RunKey = (Option<u8>, RequestId);

/// See the module.
#[derive(Debug, Default)]
pub struct PodRuns {
    pool: Rc<Pool>,
    runs: OnPods,
    /// Of each pod, in the order of its runs.
    keys: Vec<Vec<RunKey>>,
}

// === impl PodRuns ===

impl PodRuns {
    /// Of a new pool, on which nothing runs.
    pub fn new(pool: Rc<Pool>) -> Self {
        let pods = pool.pods().len();
        Self { pool, runs: vec![Vec::new(); pods].into(), keys: vec![Vec::new(); pods] }
    }

    /// Adds runs of which none is there yet.
    pub fn extend<'r>(&mut self, runs: impl Iterator<Item = (RunKey, PodId, &'r Run)>) {
        for (key, pod, run) in runs {
            let Some(position) = self.pool.position(pod) else { continue };
            if let (Some(runs), Some(keys)) = (self.runs.at_mut(position), self.keys.get_mut(position)) {
                runs.push(run.clone());
                keys.push(key);
            }
        }
    }

    /// Returns the runs on each pod.
    pub fn runs(&self) -> OnPods {
        self.runs.clone()
    }

    /// A request runs on a pod, or is further than it was.
    pub fn put(&mut self, key: RunKey, pod: PodId, run: &Run) {
        let Some(position) = self.pool.position(pod) else { return };
        let (Some(runs), Some(keys)) = (self.runs.at_mut(position), self.keys.get_mut(position)) else { return };
        let known = keys.iter().position(|known| *known == key);
        match known.and_then(|index| runs.get_mut(index)) {
            Some(known) => known.clone_from(run),
            None => {
                runs.push(run.clone());
                keys.push(key);
            }
        }
    }

    /// A request ended.
    pub fn take(&mut self, key: RunKey, pod: PodId) {
        let Some(position) = self.pool.position(pod) else { return };
        let Some(keys) = self.keys.get_mut(position) else { return };
        let Some(index) = keys.iter().position(|known| *known == key) else { return };
        keys.remove(index);
        if let Some(runs) = self.runs.at_mut(position).filter(|runs| index < runs.len()) {
            runs.remove(index);
        }
    }
}
