//! What all VMs have published, as read for one round of a pass.

use std::rc::Rc;

use super::running::Running;
use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Health, PodState, View};
use crate::shared::board::Board;
use crate::shared::directory::Ticket;
use crate::shared::noticeboard;

/// See the module.
pub(super) struct Reading {
    pub(super) board: Rc<Board>,
    /// Which one: room is taken only while it is the last.
    pub(super) number: noticeboard::Reading,
    /// Whether a newer configuration is in force: only its pods take new work.
    pub(super) is_outdated: bool,
}

// === impl Reading ===

impl Reading {
    /// The pool with the states of its pods: what the other VMs published, and what runs here.
    pub(super) fn view<'a>(&self, pool: &'a Pool, ticket: Option<Ticket>, running: &Running, now: Instant) -> View<'a> {
        let board = &*self.board;
        let deployments = pool.deployments().iter();
        let sums: Vec<_> = deployments.map(|on| (on.id, board.running_elsewhere(on.id, ticket, now))).collect();
        let others = board.directory.others(ticket, now);
        let reserved: Vec<PodId> = others.filter_map(|seat| seat.claim.as_ref()?.reserved).collect();
        let states = pool.pods().iter().map(|pod| {
            let Some((deployment, elsewhere)) = sums.get(pod.deployment) else { return PodState::default() };
            let mut entry = running.on(*deployment, pod.id);
            entry.add(elsewhere.get(&pod.id).copied().unwrap_or_default());
            PodState {
                load: entry.load(),
                in_flight: entry.count,
                health: self.health(pod.id, now),
                reserved: reserved.contains(&pod.id),
            }
        });
        View::new(pool, states.collect())
    }

    fn health(&self, pod: PodId, now: Instant) -> Health {
        if self.is_outdated && !self.board.newest_pods.contains(&pod) {
            return Health::Out;
        }
        self.board.failing.health(pod, now)
    }
}
