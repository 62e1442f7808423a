//! What all VMs have published, as read for one round of a pass.

use std::rc::Rc;

use super::running::Running;
use crate::scheduling::allowance::Allowance;
use crate::scheduling::pool::{PodId, Pool};
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Health, PodState, View};
use crate::shared::board::Board;
use crate::shared::directory::Ticket;
use crate::shared::noticeboard;
use crate::shared::outlook::{Outlook, Wanted};

/// See the module.
pub(super) struct Reading {
    pub(super) board: Rc<Board>,
    /// Which one: room is taken only while it is the last.
    pub(super) number: noticeboard::Reading,
    /// Whether a newer configuration is in force: only its pods take new work.
    pub(super) is_outdated: bool,
    /// What is known of other gateways, where there are any.
    pub(super) outlook: Option<Rc<Outlook>>,
}

// === impl Reading ===

impl Reading {
    /// What is known of other gateways, where there are any.
    pub(super) fn outlook(&self) -> Option<&Outlook> {
        self.outlook.as_deref()
    }

    /// What waits most urgently in other gateways, most urgent first.
    pub(super) fn wanted(&self, now: Instant) -> &[Wanted] {
        self.outlook().map(|outlook| outlook.claims(now)).unwrap_or_default()
    }

    /// The pool with the states of its pods: what the other VMs published, what runs here, and what other gateways told.
    pub(super) fn view<'a>(&self, pool: &'a Pool, ticket: Option<Ticket>, running: &Running, now: Instant) -> View<'a> {
        let board = &*self.board;
        let deployments = pool.deployments().iter();
        let sums: Vec<_> = deployments.map(|on| (on.id, board.running_elsewhere(on.id, ticket, now))).collect();
        let others = board.directory.others(ticket, now);
        let reserved = others.filter_map(|seat| seat.claim.as_ref()?.reserved);
        let reserved = reserved.chain(self.wanted(now).iter().filter_map(|wanted| wanted.claim.reserved));
        let reserved: Vec<PodId> = reserved.collect();
        // The position of the next pod in its deployment, and how many there are.
        let mut places: Vec<(usize, usize)> = Vec::new();
        if self.outlook().is_some() {
            places.resize(pool.deployments().len(), (0, 0));
            for pod in pool.pods() {
                if let Some((_, pods)) = places.get_mut(pod.deployment) {
                    *pods = pods.saturating_add(1);
                }
            }
        }
        let states = pool.pods().iter().map(|pod| {
            let Some((deployment, elsewhere)) = sums.get(pod.deployment) else { return PodState::default() };
            let mut entry = running.on(*deployment, pod.id);
            entry.add(elsewhere.get(&pod.id).copied().unwrap_or_default());
            let (mut allowance, mut alike) = (Allowance::default(), 1);
            if let (Some(outlook), Some(place)) = (self.outlook(), places.get_mut(pod.deployment)) {
                allowance = outlook.allowance(pod.id, *place, entry.load(), now);
                entry.add(outlook.elsewhere(pod.id, now));
                alike = outlook.alike(now);
                place.0 = place.0.saturating_add(1);
            }
            PodState {
                load: entry.load(),
                in_flight: entry.count.saturating_mul(alike),
                health: self.health(pod.id, now),
                reserved: reserved.contains(&pod.id),
                allowance,
            }
        });
        let mut view = View::new(pool, states.collect());
        view.tell_missing(self.board.failing.missing.now(now));
        view
    }

    fn health(&self, pod: PodId, now: Instant) -> Health {
        if self.is_outdated && !self.board.newest_pods.contains(&pod) {
            return Health::Out;
        }
        self.board.failing.health(pod, now)
    }
}
