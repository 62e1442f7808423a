//! The choices of a pass: which request goes where next.

use super::SHORTLIST;
use super::late::Budget;
use super::outlook::{Effect, Outlook};
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// A request is held while its best gain is at most this share of what it is expected to be worth there.
const HOLD: f64 = 0.1;
/// Below this probability, on an idle pod, a request is hopeless: it needs luck, and pods kept idle for such could serve next to
/// none of them.
const HOPELESS: f64 = 0.2;
/// The most that a request may cost others, in kept objectives like its own, for it to cost nothing.
const LITTLE_LOSS: f64 = 0.05;
/// How well a pod must serve a request had it just come, as a share of what an idle one would, to serve it well.
const WELL: f64 = 0.5;

/// The requests that are left to place, and the pods as they are with those that were.
pub(super) struct Placing<'r> {
    now: Instant,
    waiting: Vec<Waiting<'r>>,
    outlooks: Vec<Option<Outlook>>,
    /// Positions of the pods that have an outlook, the least burdened first.
    order: Vec<usize>,
}

struct Waiting<'r> {
    request: &'r Request,
    /// The probability that it would have kept its objectives on an idle pod when it came.
    at_best: f64,
    /// Nothing of that is left.
    is_hopeless: bool,
    /// It goes whatever it costs.
    starved: bool,
}

/// A request's best place.
struct Place {
    position: usize,
    effect: Effect,
}

// === impl Placing ===

impl<'r> Placing<'r> {
    /// Of `requests` on pods that go on as `outlooks` (by position in the pool) say; `idle` tells how they would on an idle
    /// pod, by position of the deployment. Those that `starved` names go first.
    pub(super) fn new(
        requests: Vec<&'r Request>,
        outlooks: Vec<Option<Outlook>>,
        idle: &[Option<Outlook>],
        starved: &[RequestId],
        now: Instant,
    ) -> Self {
        let waiting = requests.into_iter().map(|request| {
            let starved = starved.contains(&request.arrival.id);
            Waiting { starved, ..Waiting::new(request, idle, now) }
        });
        let waiting = waiting.collect();
        let mut placing = Self { now, waiting, outlooks, order: Vec::new() };
        placing.sort();
        placing
    }

    /// The request that goes next, and the position of its pod: of those that need not be held the one with the largest
    /// gain.
    pub(super) fn next(&mut self, budget: &mut Budget, view: &View<'_>) -> Option<(&'r Request, usize)> {
        let mut next: Option<(usize, Place, f64)> = None;
        for (index, waiting) in self.waiting.iter().enumerate() {
            let Some(place) = self.best(waiting.request, view) else { continue };
            if waiting.starved {
                next = Some((index, place, 0.0));
                break;
            }
            let most = next.as_ref().map_or(f64::NEG_INFINITY, |(_, best, _)| best.effect.gain());
            if place.effect.gain() <= most {
                continue;
            }
            if let Some(price) = self.price(waiting, &place, budget, view) {
                next = Some((index, place, price));
            }
        }
        let (index, place, price) = next?;
        let request = self.waiting.swap_remove(index).request;
        budget.decided(request.arrival.id, &place.effect, price);
        Some((request, place.position))
    }

    /// A request was placed on the pod at `position`.
    pub(super) fn replace(&mut self, position: usize, outlook: Option<Outlook>) {
        if let Some(old) = self.outlooks.get_mut(position) {
            *old = outlook;
        }
        self.sort();
    }

    /// Where a request's gain is largest.
    fn best(&self, request: &Request, view: &View<'_>) -> Option<Place> {
        let mut best: Option<Place> = None;
        let mut considered = vec![0; view.pool().deployments().len()];
        for position in &self.order {
            let Some(candidate) = view.candidate(request, *position).filter(|it| view.has_room(request, it)) else {
                continue;
            };
            let Some(considered) = considered.get_mut(candidate.prospect.deployment) else { continue };
            if *considered >= SHORTLIST {
                continue;
            }
            *considered += 1;
            let Some(outlook) = self.outlooks.get(*position).and_then(Option::as_ref) else { continue };
            let most = best.as_ref().map_or(f64::NEG_INFINITY, |best| best.effect.gain());
            let effect = outlook.effect(request, candidate.prospect, self.now, most);
            if let Some(effect) = effect.filter(|effect| effect.gain() > most) {
                best = Some(Place { position: *position, effect });
            }
        }
        best
    }

    /// What the late requests' budget pays for a placement, nothing for one that is worth it by itself; `None`: it is held.
    fn price(&self, waiting: &Waiting<'_>, place: &Place, budget: &Budget, view: &View<'_>) -> Option<f64> {
        let Place { position, effect } = place;
        let gain = effect.gain();
        let enough = HOLD * effect.weight * effect.keeps;
        // On an idle pod nobody loses.
        if gain > enough || view.state(*position).in_flight == 0 {
            return Some(0.0);
        }
        let serves_well = effect.loss <= LITTLE_LOSS * effect.weight && self.serves_well(waiting, *position, view);
        if serves_well && waiting.is_hopeless {
            return Some(0.0);
        }
        let price = Budget::price(effect, waiting.at_best, serves_well);
        let waited_s = self.now.seconds_since(waiting.request.arrival.at);
        let worth = budget.lateness().worth(effect, waited_s);
        (gain + worth > enough && budget.affords(price)).then_some(price)
    }

    /// Whether a pod would serve a request well had it just come, against an idle one.
    fn serves_well(&self, waiting: &Waiting<'_>, position: usize, view: &View<'_>) -> bool {
        if waiting.at_best < HOPELESS {
            return true;
        }
        let request = waiting.request;
        let outlook = self.outlooks.get(position).and_then(Option::as_ref);
        let fresh = view
            .candidate(request, position)
            .and_then(|candidate| outlook?.effect(request, candidate.prospect, request.arrival.at, f64::NEG_INFINITY));
        fresh.is_some_and(|fresh| fresh.keeps >= WELL * waiting.at_best)
    }

    fn sort(&mut self) {
        let burden = |position: &usize| self.outlooks.get(*position)?.as_ref().map(|outlook| outlook.burden_s);
        self.order = (0..self.outlooks.len()).filter(|position| burden(position).is_some()).collect();
        let key = |position: &usize| burden(position).unwrap_or(f64::INFINITY);
        self.order.sort_by(|one, other| key(one).total_cmp(&key(other)));
    }
}

// === impl Waiting ===

impl<'r> Waiting<'r> {
    fn new(request: &'r Request, idle: &[Option<Outlook>], now: Instant) -> Self {
        let keeps_from = |moment| {
            let effects = request
                .prospects
                .iter()
                .filter_map(|on| idle.get(on.deployment)?.as_ref()?.effect(request, on, moment, f64::NEG_INFINITY));
            effects.map(|effect| effect.keeps).fold(0.0, f64::max)
        };
        Self {
            request,
            at_best: keeps_from(request.arrival.at),
            is_hopeless: keeps_from(now) < HOPELESS,
            starved: false,
        }
    }
}
