//! The choices of a round: which request goes where next.

use std::time::Duration;

use super::holders::CachedOn;
use super::late::Budget;
use super::outlook::{CachedPrompt, Effect, Newcomer, PodOutlook};
use super::work::{CASES_WORK, MOST_WORK, PLACED_WORK, SHORTLIST};
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;
use crate::scheduling::view::View;

/// A request is held while its best gain is at most this share of what it is expected to be worth
/// there.
const HOLD: f64 = 0.1;
/// Below this probability, on an idle pod, a request is hopeless: it needs luck, and pods kept idle
/// for such could serve next to none of them.
const HOPELESS: f64 = 0.2;
/// The most that a request may cost others, in kept objectives like its own, for it to cost
/// nothing.
const LITTLE_LOSS: f64 = 0.05;
/// A request that waits alone goes where it has at least this share of the chance that it had on an
/// idle pod when it came...
const LEAST_CHANCE: f64 = 0.1;
/// ... and takes at most this share of what those there are expected to keep.
const BEARABLE_LOSS: f64 = 0.25;
/// ... of a pod to which nothing has come for so long: those of a burst come alone, too, one after
/// the other.
const QUIET: Duration = Duration::from_millis(100);
/// Share of what an idle pod would give to a request had it just come, from which a pod serves it
/// well.
const WELL: f64 = 0.5;

/// The requests that are left to place, and the pods as they are with those that were.
pub(super) struct Placing<'r> {
    now: Instant,
    waiting: Vec<UnplacedRequest<'r>>,
    /// `true` if only one waited in the whole pool when the round began.
    is_alone: bool,
    outlooks: Vec<Option<PodOutlook>>,
    /// Positions of the pods that have an outlook, the least burdened first.
    order: Vec<usize>,
    /// Looks at single streams so far.
    work: usize,
    /// `true` once a request was placed.
    has_placed: bool,
}

struct UnplacedRequest<'r> {
    request: &'r Request,
    /// Parts of its prompt in pods' caches.
    cached: CachedOn,
    /// The probability that it would have kept its objectives on an idle pod when it came.
    at_best: f64,
    /// Nothing of that is left.
    is_hopeless: bool,
    /// It goes whatever it costs.
    starved: bool,
    /// By position of the pods.
    known: Vec<Known>,
}

/// Knowledge of a request on a pod: as little as the choice needs.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// Nothing, since the pod changed.
    Nothing,
    /// It may not run there, or there is no room.
    NoRoom,
    /// There is room for it.
    Room,
    /// There is none in the pod's cache.
    NoCache,
    /// All but what it takes from those there.
    Newcomer(Newcomer),
    /// All.
    Effect(Effect),
}

/// A request that was given a pod.
pub(super) struct PlacedRequest<'r> {
    pub request: &'r Request,
    /// Position of the pod.
    pub position: usize,
    /// Tokens of the prompt that it will compute, in the mean.
    pub computed_tokens: f64,
}

/// A request's best place.
struct BestPlace {
    position: usize,
    effect: Effect,
}

// === impl Placing ===

impl<'r> Placing<'r> {
    /// Of `requests`, each with what pods' caches have of its prompt, on pods that go on as
    /// `outlooks` (by position in the pool) say; `idle` tells how they would on an idle pod, by
    /// position of the deployment. Those that `starved` names go first.
    pub(super) fn new(
        requests: Vec<(&'r Request, CachedOn)>,
        outlooks: Vec<Option<PodOutlook>>,
        idle: &[Option<PodOutlook>],
        starved: &[RequestId],
        now: Instant,
    ) -> Self {
        let waiting = requests.into_iter().map(|(request, cached)| {
            let starved = starved.contains(&request.arrival.id);
            UnplacedRequest {
                starved,
                known: vec![Known::Nothing; outlooks.len()],
                ..UnplacedRequest::new(request, cached, idle, now)
            }
        });
        let waiting = waiting.collect();
        let mut placing =
            Self { now, waiting, is_alone: false, outlooks, order: Vec::new(), work: 0, has_placed: false };
        placing.sort();
        placing
    }

    /// Returns the work so far.
    pub(super) fn work(&self) -> usize {
        self.work
    }

    /// After so much work that was done for it.
    pub(super) fn after(self, work: usize) -> Self {
        Self { work, ..self }
    }

    /// Lets a request go that gains too little, if it is the only one: see [`Self::is_bearable`].
    pub(super) fn alone(self, is_alone: bool) -> Self {
        Self { is_alone, ..self }
    }

    /// The request that goes next, and its pod: of those that need not be held the
    /// one with the largest gain, as far as a round's work allows to look. None, too, where so much
    /// was looked at that the rest has to wait for the next round.
    pub(super) fn next(&mut self, budget: &mut Budget, view: &View<'_>) -> Option<PlacedRequest<'r>> {
        let mut next: Option<(usize, BestPlace, f64)> = None;
        for index in 0..self.waiting.len() {
            // What is judged is looked at once, however much was done before: else nothing might
            // ever be placed while many wait for many pods.
            if self.has_placed && self.work >= MOST_WORK {
                break;
            }
            let starved = self.waiting.get(index).is_some_and(|waiting| waiting.starved);
            let most = next.as_ref().filter(|_| !starved).map_or(f64::NEG_INFINITY, |(_, best, _)| best.effect.gain());
            let Some(place) = self.best(index, most, view) else { continue };
            if starved {
                next = Some((index, place, 0.0));
                break;
            }
            let Some(waiting) = self.waiting.get(index) else { continue };
            if let Some(price) = self.price(waiting, &place, budget, view) {
                next = Some((index, place, price));
            }
        }
        let (index, place, price) = next?;
        let UnplacedRequest { request, cached, .. } = self.waiting.swap_remove(index);
        budget.decided(request.arrival.id, &place.effect, price);
        let position = place.position;
        let outlook = self.outlooks.get(position)?.as_ref()?;
        let computed_tokens = outlook.computed_tokens(request, cached.on(position).hit);
        Some(PlacedRequest { request, position, computed_tokens })
    }

    /// A request was placed on the pod at `position`.
    pub(super) fn replace(&mut self, position: usize, outlook: Option<PodOutlook>) {
        self.has_placed = true;
        self.work += PLACED_WORK + outlook.as_ref().map_or(0, PodOutlook::work);
        if let Some(old) = self.outlooks.get_mut(position) {
            *old = outlook;
        }
        for known in self.waiting.iter_mut().filter_map(|waiting| waiting.known.get_mut(position)) {
            *known = Known::Nothing;
        }
        self.sort();
    }

    /// The place where the gain of the request at `index` is largest, if it is more than `most`
    /// somewhere.
    fn best(&mut self, index: usize, mut most: f64, view: &View<'_>) -> Option<BestPlace> {
        let Self { now, waiting, outlooks, order, work, .. } = self;
        let UnplacedRequest { request, cached, known, .. } = waiting.get_mut(index)?;
        let mut best: Option<BestPlace> = None;
        let mut considered = vec![0; view.pool().deployments().len()];
        let holders = cached.considered().map(|position| (position, true));
        let others = order.iter().map(|position| (*position, false));
        let others = others.filter(|(position, _)| cached.considered().all(|holder| holder != *position));
        for (position, is_holder) in holders.chain(others) {
            let (Some(known), Some(Some(outlook))) = (known.get_mut(position), outlooks.get(position)) else {
                continue;
            };
            if let Known::Nothing = known {
                let has_room =
                    view.candidate(request, position).is_some_and(|candidate| view.has_room(request, &candidate));
                *known = if has_room { Known::Room } else { Known::NoRoom };
            }
            if let Known::NoRoom = known {
                continue;
            }
            let deployment = view.pool().pods().get(position).map(|pod| pod.deployment);
            let Some(considered) = deployment.and_then(|deployment| considered.get_mut(deployment)) else { continue };
            if *considered >= SHORTLIST && !is_holder {
                continue;
            }
            *considered += usize::from(!is_holder);
            if let Known::Room = known {
                *work += if cached.on(position).hit.is_some() { CASES_WORK } else { 1 };
                let on = view.candidate(request, position).map(|candidate| *candidate.prospect);
                let newcomer = on.and_then(|on| outlook.newcomer(request, &on, cached.on(position), *now));
                *known = newcomer.map_or(Known::NoCache, Known::Newcomer);
            }
            if let Known::Newcomer(newcomer) = known
                && newcomer.effect.gain() > most
            {
                *work += outlook.work_of(newcomer);
                *known = Known::Effect(outlook.effect(newcomer));
            }
            if let Known::Effect(effect) = known
                && effect.gain() > most
            {
                most = effect.gain();
                best = Some(BestPlace { position, effect: *effect });
            }
        }
        best
    }

    /// Returns what the late requests' budget pays for a placement, nothing for one that is worth
    /// it by itself; `None`: it is held.
    fn price(&self, waiting: &UnplacedRequest<'_>, place: &BestPlace, budget: &Budget, view: &View<'_>) -> Option<f64> {
        let BestPlace { position, effect } = place;
        let gain = effect.gain();
        let enough = HOLD * effect.weight * effect.keeps;
        // On an idle pod nobody loses.
        if gain > enough || view.state(*position).in_flight == 0 {
            return Some(0.0);
        }
        if self.is_alone && self.is_bearable(waiting, place, view) {
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

    /// Returns `true` if a request that waits alone goes although it gains too little. Nothing
    /// waits but that, so what comes does not exceed what the pods sustain, and holding it would
    /// protect nobody for long: it would only be the first of a queue, whose wait all that follow
    /// pay. On pods that are nearly as full as their objectives let them be, each serves more the
    /// more it runs, and so gets out of it. What costs those there much is held all the same, such
    /// as a prompt that would stall them.
    fn is_bearable(&self, waiting: &UnplacedRequest<'_>, place: &BestPlace, view: &View<'_>) -> bool {
        let BestPlace { position, effect } = place;
        let kept = self.outlooks.get(*position).and_then(Option::as_ref).map_or(0.0, PodOutlook::kept);
        let is_quiet = view.runs(*position).iter().all(|run| self.now.since(run.placed_at) >= QUIET);
        effect.keeps >= LEAST_CHANCE * waiting.at_best && effect.loss <= BEARABLE_LOSS * kept && is_quiet
    }

    /// Returns `true` if a pod would serve a request well had it just come, against an idle one.
    fn serves_well(&self, waiting: &UnplacedRequest<'_>, position: usize, view: &View<'_>) -> bool {
        if waiting.at_best < HOPELESS {
            return true;
        }
        let request = waiting.request;
        let outlook = self.outlooks.get(position).and_then(Option::as_ref);
        let fresh = view.candidate(request, position).and_then(|candidate| {
            outlook?.newcomer(request, candidate.prospect, waiting.cached.on(position), request.arrival.at)
        });
        fresh.is_some_and(|fresh| fresh.effect.keeps >= WELL * waiting.at_best)
    }

    fn sort(&mut self) {
        let burden = |position: &usize| self.outlooks.get(*position)?.as_ref().map(|outlook| outlook.burden_s);
        self.order = (0..self.outlooks.len()).filter(|position| burden(position).is_some()).collect();
        let key = |position: &usize| burden(position).unwrap_or(f64::INFINITY);
        self.order.sort_by(|one, other| key(one).total_cmp(&key(other)));
    }
}

// === impl UnplacedRequest ===

impl<'r> UnplacedRequest<'r> {
    fn new(request: &'r Request, cached: CachedOn, idle: &[Option<PodOutlook>], now: Instant) -> Self {
        let keeps_from = |moment| {
            let effects = request.prospects.iter().filter_map(|on| {
                idle.get(on.deployment)?.as_ref()?.newcomer(request, on, CachedPrompt::default(), moment)
            });
            effects.map(|newcomer| newcomer.effect.keeps).fold(0.0, f64::max)
        };
        Self {
            known: Vec::new(),
            request,
            cached,
            at_best: keeps_from(request.arrival.at),
            is_hopeless: keeps_from(now) < HOPELESS,
            starved: false,
        }
    }
}
