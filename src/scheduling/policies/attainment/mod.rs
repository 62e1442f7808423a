//! `slo-attainment`: a request goes where the expected number of kept objectives grows most, or
//! waits.
//!
//! # Theory
//!
//! A pod decodes for all its requests at once, so a newcomer slows down those that run there: more
//! to read in every iteration, and its prompt stalls all of them. Whether that matters is a
//! question of their objectives and of how long their answers will be. All of it is estimated from
//! what the gateway sees:
//!
//! 1. **Speed** ([`latency_model`](crate::scheduling::latency_model)). An iteration takes
//!    `a + b·n + c·K` seconds for n requests with K tokens of context, and a prompt of p tokens
//!    stalls it for `max(0, d·(p + n) − W)`. The coefficients of a deployment start from its
//!    profile and are learned from every request that ends. While they are wrong as a whole, or
//!    there is nothing to start from, requests that may go to this deployment are placed by
//!    weighted least-request, for which a pod counts less that has their prompts, on pods with no
//!    more requests than were [seen to keep their
//!    objectives](crate::scheduling::view::PodState::sustained) at once, and what is lost already
//!    waits for room ([`backlog`]); how much single predictions scatter only widens what is
//!    expected of the pace.
//! 2. **What runs** ([`occupancy`](crate::scheduling::occupancy)). Tokens so far, prompts not
//!    computed yet and the context of each pod follow by dead reckoning from placements and from
//!    what was seen of the streams. With ρ the share of time that prompts took of late, the time
//!    per output token is `τ = step(n, K) / (1 − ρ)`.
//! 3. **Who keeps**. With τ a request's end is linear in its length, and so is every objective: the
//!    lengths that keep all of them are an interval, and the probability P of keeping them is what
//!    the distribution of output lengths gives to the interval, given the tokens that are there
//!    already. τ is uncertain, so P is a mean over a slower, the predicted and a faster pace.
//! 4. **Gain** ([`outlook`]).
//!    `gain(pod) = w·P(newcomer) − Σ wᵢ·(Pᵢ without − Pᵢ with the newcomer) − w·0.1·τ/T`, T the
//!    pace that the newcomer's objective asks for, w what a request's class is worth
//!    (`classes[].weight`, 1 without).
//! 5. **Hold.** A request waits while there is no room for it in a pod's cache, as far as that is
//!    known, and while its best gain is at most 0.1·w·P: what it would take from others is better
//!    kept. Of those that may go the one with the largest gain goes first, and all others are
//!    judged again with it in place. A request that waits alone is held only where it costs those
//!    that run there more than a quarter of what they keep, or where another one came to the pod
//!    just before: while nothing else waits, what comes is no more than the pods sustain, and the
//!    first that is held is the first of a queue.
//!
//! A request that is held may become late, and one that needs luck even on an idle pod is lost from
//! the start: pods kept empty for such would serve next to none of them. It goes where it costs the
//! others nothing and would have been served well had it just come, and else when the seconds that
//! it is late are worth what it costs, within a budget ([`late`]). On an idle pod nobody loses, so
//! none is left idle while something waits for it. So that no class is given up as a whole, however
//! dear the others are, the first request of one of which none was placed for [`STARVED_AFTER`]
//! goes where it costs least. `queue.max_wait` bounds every wait.
//!
//! # State
//!
//! Workers tell each other what they run and what they learned; each judges what waits with itself.
//! What happened in the last 20 ms or so may be missing there, but is counted: a pod is taken to
//! run as many requests as the ledger says. So are the requests of other gateways, of which nothing
//! else is known: they are taken to be like what this one runs there, or like what waits, and their
//! objectives count nothing.
//!
//! # Stability
//!
//! There are two feedbacks. *Load*: a placement makes its pod's iterations longer, so the next
//! request finds its gain there smaller. The load in flight on each pod is known exactly when a
//! request is placed, from the ledger, so this loop has no delay but that between workers (20 ms, a
//! fraction of an iteration), and the gain falls with each request more: like least-request it
//! settles at equal marginal gains, and an imbalance of k requests between identical pods is undone
//! by the next k. It needs a model in which requests cost something; where the fit saw no such
//! cost, pace costs decide nothing, and chance does. *Learning*: the placements decide at which
//! loads answers are seen. That loop has the delay of an answer, some seconds; what it feeds back
//! is kept from following load (see `latency_model/deviation.rs`: a pod's factor is estimated from
//! residuals at loads at which others were seen), and a deployment's model is one for all its pods,
//! remembers some 500 answers, and so moves by less than a hundredth with each. A loop whose gain
//! per delay is that small cannot oscillate: with N answers per delay it would need N/500 ·
//! ∂placements/∂model > 1, and below saturation placements on identical pods do not depend on the
//! model at all.
//!
//! # Cost
//!
//! A round reckons the least busy pods of each deployment ([`work`]), and computes gains on the
//! [`SHORTLIST`](work::SHORTLIST) least burdened of them. A newcomer's own chances are computed
//! first; what it takes from those there only where that could still be the best place, and only
//! over those whose objectives a usual newcomer puts at risk, or a sample of them ([`outlook`]).
//! What was computed of a pod holds until something is placed there. The work of a round is counted
//! in looks at single streams, what its callback did before included, and ends at
//! [`MOST_WORK`](work::MOST_WORK): of more requests than that allows the most urgent is judged each
//! time, and the others in turn, so over rounds all are. Nothing is computed again while nothing
//! has changed and less than [`LOOK_AGAIN`] has passed.

mod backlog;
mod holders;
mod late;
mod outlook;
mod placing;
mod pressure;
#[cfg(test)]
mod tests;
mod work;

use std::time::Duration;

use fnv::FnvHashMap;

use self::backlog::Backlog;
use self::holders::{CachedOn, see_holders};
use self::late::Budget;
pub use self::late::Lateness;
use self::outlook::PodOutlook;
use self::placing::{PlacedRequest, Placing};
use self::pressure::Pressure;
use self::work::{HITS_WORK, LOOKS_OF_WORK, least_busy, most_judged, work_before};
use super::least_request::{self, LEAST_REQUEST};
use super::name::{Descriptor, PolicyKind, PolicyName};
use super::policy::{Decision, Policy, Round};
use super::preferences::Preferences;
use crate::scheduling::latency_model::{LatencyModel, LatencyModels};
use crate::scheduling::occupancy::{Spread, reckon};
use crate::scheduling::pool::Deployment;
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::shape::Shape;
use crate::scheduling::time::Instant;
use crate::scheduling::view::{Candidate, View};

/// Time after which waiting requests are judged again: streams go on by a token or two.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Relative standard deviation of a request's pace around what is predicted when it is placed, for
/// what comes and goes on its pod later.
const SPREAD: f64 = 0.1;
/// Deviation that is added to it towards slower paces while requests wait: whatever a pod gets rid
/// of is then replaced at once, so it seldom gets quieter and often busier.
const SPREAD_UNDER_PRESSURE: f64 = 0.1;

/// A class of which requests wait and none was placed for so long is served whatever it costs the
/// others.
const STARVED_AFTER: Duration = Duration::from_secs(10);

/// See the module.
pub const SLO_ATTAINMENT: PolicyName = PolicyName::of(&Descriptor {
    name: "slo-attainment",
    summary: "Where the expected number of kept objectives grows most: the probability that it keeps its own, less what those that run there lose by it. While that is no gain anywhere, it waits.",
    kind: PolicyKind::Gain,
    needs_profile: false,
    looks_at_runs: true,
    is_fallback: false,
});

/// See the module.
pub(super) struct Attainment {
    pressure: Pressure,
    last: Option<Look>,
    /// By class: since when it waits in vain.
    in_vain: FnvHashMap<usize, Instant>,
    backlog: Backlog,
    budget: Budget,
    /// Tokens of context of a request like those that wait.
    usual_context: f64,
    /// Rounds so far that could not judge all that they were offered.
    turn: usize,
}

/// A round that placed nothing, and what it looked at.
#[derive(Clone, Copy, Debug)]
struct Look {
    in_flight: u32,
    newest: RequestId,
    at: Instant,
}

pub(super) fn build(preferences: Preferences) -> Box<dyn Policy> {
    Box::new(Attainment::new(preferences.lateness))
}

// === impl Attainment ===

impl Attainment {
    /// With nothing known; lateness counts for so much.
    pub(super) fn new(lateness: Lateness) -> Self {
        Self {
            pressure: Pressure::default(),
            last: None,
            in_vain: FnvHashMap::default(),
            backlog: Backlog::default(),
            budget: Budget::new(lateness),
            usual_context: 0.0,
            turn: 0,
        }
    }

    /// Returns `true` if something has changed since the last round that placed nothing, or enough
    /// time has passed.
    fn is_due(&self, look: &Look) -> bool {
        self.last.is_none_or(|last| {
            (last.in_flight, last.newest) != (look.in_flight, look.newest) || look.at.since(last.at) >= LOOK_AGAIN
        })
    }

    /// Returns the outlook of a pod; `None` if its deployment is not known well enough.
    fn outlook(
        &self,
        view: &View<'_>,
        position: usize,
        latency_models: &mut LatencyModels,
        now: Instant,
    ) -> Option<PodOutlook> {
        let (mut occupancy, model, stalled_share) = reckon(view, position, latency_models, now)?;
        occupancy.suppose(self.usual_context);
        let deployment = view.pool().pods().get(position)?.deployment;
        let deployment = view.pool().deployments().get(deployment)?.id;
        let room_tokens = latency_models.room(deployment, occupancy.cached_tokens, occupancy.is_late, now);
        let latency_model = latency_models.of(deployment).filter(|latency_model| latency_model.is_good())?;
        Some(
            PodOutlook::new(
                occupancy,
                (model, latency_model.unexpected_shares()),
                stalled_share,
                self.spread(latency_model),
            )
            .with_room(room_tokens),
        )
    }

    /// Returns the outlook of an idle pod.
    fn idle(&self, deployment: &Deployment, latency_models: &LatencyModels) -> Option<PodOutlook> {
        let latency_model = latency_models.of(deployment.id).filter(|latency_model| latency_model.is_good())?;
        Some(PodOutlook::idle((*latency_model.model(), latency_model.unexpected_shares()), self.spread(latency_model)))
    }

    fn spread(&self, latency_model: &LatencyModel) -> Spread {
        let faster = latency_model.error().hypot(SPREAD);
        Spread { slower: faster + SPREAD_UNDER_PRESSURE * self.pressure.share(), faster }
    }

    /// Of more requests than a round may judge the most urgent, those that must be placed, and of
    /// the others some from all over the order, each time others.
    fn in_turn<'r>(&mut self, requests: Vec<&'r Request>, most: usize, starved: &[RequestId]) -> Vec<&'r Request> {
        let stride = requests.len().div_ceil(most.max(1));
        if stride <= 1 {
            return requests;
        }
        self.turn = self.turn.wrapping_add(1);
        let offset = self.turn.checked_rem(stride).unwrap_or_default();
        let is_chosen = |(index, request): &(usize, &Request)| {
            *index == 0 || index.checked_rem(stride) == Some(offset) || starved.contains(&request.arrival.id)
        };
        requests.into_iter().enumerate().filter(is_chosen).map(|(_, request)| request).collect()
    }

    /// Notes which classes wait; of those that did so in vain for long, the first request each.
    fn starved(&mut self, waiting: &[&Request], now: Instant) -> Vec<RequestId> {
        self.in_vain.retain(|class, _| waiting.iter().any(|request| request.arrival.class == *class));
        let mut starved = Vec::new();
        for request in waiting {
            let since = self.in_vain.entry(request.arrival.class).or_insert(now);
            if now.since(*since) >= STARVED_AFTER {
                *since = now;
                starved.push(request.arrival.id);
            }
        }
        starved
    }
}

impl Policy for Attainment {
    fn placed(&mut self, request: RequestId) {
        self.budget.placed(request);
    }

    fn stand_in(&self, request: &Request, latency_models: &LatencyModels) -> Option<PolicyName> {
        (!can_judge(request, latency_models)).then_some(LEAST_REQUEST)
    }

    fn decide(&mut self, view: &mut View<'_>, waiting: &[&Request], round: &mut Round<'_>) -> Vec<Decision> {
        let look = Look {
            in_flight: (0..view.pool().pods().len()).map(|position| view.state(position).in_flight).sum(),
            newest: waiting.iter().map(|request| request.arrival.id).max().unwrap_or_default(),
            at: round.now,
        };
        if !self.is_due(&look) {
            return Vec::new();
        }
        self.budget.begin(round.now);
        self.pressure.update(waiting.len() > 1, round.now);
        self.usual_context = usual_context(waiting);
        let starved = self.starved(waiting, round.now);
        let latency_models = &*round.latency_models;
        let (judged, unjudged): (Vec<&Request>, _) =
            waiting.iter().partition(|request| can_judge(request, latency_models));
        let unjudged = self.backlog.admit(unjudged, look.in_flight, round.now);
        let takes = |pod: &Candidate<'_>| pod.state.sustains_more();
        let mut decisions = least_request::place(view, &unjudged, round, takes, |round, request| round.hits(request));
        let pool = view.pool();
        let mut outlooks: Vec<Option<PodOutlook>> = vec![None; pool.pods().len()];
        for position in least_busy(view) {
            if let Some(outlook) = outlooks.get_mut(position) {
                *outlook = self.outlook(view, position, round.latency_models, round.now);
            }
        }
        let idle: Vec<_> =
            pool.deployments().iter().map(|deployment| self.idle(deployment, round.latency_models)).collect();
        let offered = judged.len();
        let done = round.looks.checked_div(LOOKS_OF_WORK).unwrap_or_default();
        let work = work_before(&outlooks, waiting.len()).saturating_add(done);
        let judged = self.in_turn(judged, most_judged(&outlooks, work), &starved);
        let are_all_judged = judged.len() == offered;
        let judged: Vec<_> =
            judged.into_iter().map(|request| (request, CachedOn::new(&round.hits(request), pool))).collect();
        let work = work.saturating_add(judged.len().saturating_mul(HITS_WORK));
        let seen = see_holders(judged.iter().map(|(_, cached)| cached), &mut outlooks, |position| {
            self.outlook(view, position, round.latency_models, round.now)
        });
        let mut placing = Placing::new(judged, outlooks, &idle, &starved, round.now)
            .after(work.saturating_add(seen))
            .alone(waiting.len() == 1 && round.waiting <= 1);
        while decisions.len() < round.most_decisions
            && let Some(PlacedRequest { request, position, computed_tokens }) = placing.next(&mut self.budget, view)
        {
            let Some(prospect) = pool.pods().get(position).and_then(|pod| request.on(pod.deployment)) else { continue };
            view.place(position, prospect.load);
            view.add_run(position, request.as_run(prospect, computed_tokens, round.now));
            placing.replace(position, self.outlook(view, position, round.latency_models, round.now));
            self.in_vain.remove(&request.arrival.class);
            decisions.push(Decision { request: request.arrival.id, pod: position });
        }
        round.looks = placing.work().saturating_mul(LOOKS_OF_WORK);
        // What was decided may come to nothing where another VM was quicker, and is then decided
        // anew.
        self.last = (decisions.is_empty() && are_all_judged).then_some(look);
        decisions
    }
}

/// Tokens that requests have in a pod's cache halfway through their answers, on average.
fn usual_context(requests: &[&Request]) -> f64 {
    let tokens = |request: &&Request| {
        let Shape { input_tokens, output_tokens } = request.arrival.shape;
        f64::from(input_tokens) + f64::from(output_tokens) / 2.0
    };
    requests.iter().map(tokens).sum::<f64>() / requests.len().max(1) as f64
}

/// Returns `true` if all deployments that may run a request are known well enough.
fn can_judge(request: &Request, latency_models: &LatencyModels) -> bool {
    let is_known = |deployment| latency_models.of(deployment).is_some_and(LatencyModel::is_good);
    request.prospects.iter().all(|prospect| is_known(prospect.deployment_id))
}
