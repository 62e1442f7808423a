//! The connections to pods that lie idle in this VM's worker, as Envoy's pools keep them: Envoy
//! does not say whether a request was sent into one that was used before, which its pod may be
//! closing just then.

use std::net::SocketAddr;

use fnv::FnvHashMap;

/// See the module. What Envoy closes or the filter does not see makes it wrong by some, and only
/// for a while: each reset takes one away.
#[derive(Debug, Default)]
pub(super) struct Connections {
    idle: FnvHashMap<SocketAddr, u32>,
}

// === impl Connections ===

impl Connections {
    /// So many pods are known at most; then all are forgotten.
    const MOST_PODS: usize = 4096;

    /// A request goes to a pod. Says whether it goes into a connection that was used before.
    pub(super) fn take(&mut self, pod: SocketAddr) -> bool {
        match self.idle.get_mut(&pod) {
            Some(idle) if *idle > 0 => {
                *idle = idle.saturating_sub(1);
                true
            }
            _ => false,
        }
    }

    /// A pod has answered a request to the end, and its connection can be used again.
    pub(super) fn give(&mut self, pod: SocketAddr) {
        if self.idle.len() >= Self::MOST_PODS {
            self.idle.clear();
        }
        let idle = self.idle.entry(pod).or_default();
        *idle = idle.saturating_add(1);
    }
}
