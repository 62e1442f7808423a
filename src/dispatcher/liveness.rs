//! Words of the pods to this VM, by which a dead one shows.

use std::time::Duration;

use fnv::FnvHashMap;

use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::time::Instant;

/// So long after its last good word a pod that answers 500 is taken to serve others all the same. A
/// dead engine's streams end with it.
const SERVES: Duration = Duration::from_secs(1);

/// Instants at which each pod last sent anything to this VM.
#[derive(Debug, Default)]
pub(super) struct Liveness(FnvHashMap<PodId, LastHeard>);

#[derive(Clone, Copy, Debug)]
struct LastHeard {
    anything: Instant,
    /// Output, or the end of an answer that was as it should be.
    well: Option<Instant>,
}

// === impl Liveness ===

impl Liveness {
    /// Forgets pods that are gone.
    pub(super) fn keep_to(&mut self, pool: &Pool) {
        self.0.retain(|known, _| pool.pods().iter().any(|pod| pod.id == *known));
    }

    /// A pod said something; well, where it was output.
    pub(super) fn note(&mut self, pod: PodId, is_well: bool, now: Instant) {
        let before = self.0.get(&pod).and_then(|said| said.well);
        self.0.insert(pod, LastHeard { anything: now, well: if is_well { Some(now) } else { before } });
    }

    /// Returns `true` if a pod gave output of late.
    pub(super) fn serves(&self, pod: PodId, now: Instant) -> bool {
        self.0.get(&pod).and_then(|said| said.well).is_some_and(|at| now.since(at) < SERVES)
    }

    /// Returns `true` if a pod has been silent since then while another was not.
    pub(super) fn is_silent(&self, pod: PodId, since: Instant) -> bool {
        let said_anything = |known: PodId| self.0.get(&known).is_some_and(|said| said.anything > since);
        !said_anything(pod) && self.0.keys().any(|other| *other != pod && said_anything(*other))
    }
}
