//! A VM's most urgent waiting request, as the other VMs need to know it.

use serde::{Deserialize, Serialize};

use crate::scheduling::load::Load;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::queue::Urgency;
use crate::scheduling::request::Request;
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// "I have one that waits, this urgent, and it needs so much on one of these."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its place in the order.
    pub urgency: Urgency,
    /// Load that it would put on a pod, for each deployment that may run it.
    pub loads: Vec<(DeploymentId, Load)>,
    /// Instant since which it may reserve a pod, if it may.
    pub aged_since: Option<Instant>,
    /// The pod that drains for it.
    pub reserved: Option<PodId>,
}

// === impl Claim ===

impl Claim {
    /// The claim of `request`.
    pub fn of(request: &Request, urgency: Urgency, now: Instant) -> Self {
        let bounded = request.worth_trying(now).filter(|prospect| prospect.bounded);
        let loads = bounded.map(|prospect| (prospect.deployment_id, prospect.load)).collect();
        Self { urgency, loads, aged_since: None, reserved: None }
    }

    /// The emptiest pod that has room for it, and what it would take there.
    pub fn fits(&self, view: &View<'_>) -> Option<(usize, Load)> {
        let pool = view.pool();
        let room = pool.pods().iter().enumerate().filter_map(|(position, pod)| {
            let id = pool.deployments().get(pod.deployment)?.id;
            let (_, load) = self.loads.iter().find(|(deployment, _)| *deployment == id)?;
            let state = view.state(position);
            let open = state.takes() && (!view.is_reserved(position) || self.reserved == Some(pod.id));
            let has_room = if self.urgency.late { state.has_room_for_late(*load) } else { state.has_room_for(*load) };
            (open && has_room).then_some((position, *load, state.load))
        });
        room.min_by_key(|(position, _, filled)| (*filled, *position)).map(|(position, load, _)| (position, load))
    }
}
