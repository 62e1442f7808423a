//! Routers that know prefix caches, to compare with: each by the rule that its authors publish, in
//! code of our own. A request goes to a pod when it comes. Each is one process that sees all
//! requests, however many workers Envoy has, and learns of an end or a first token at once.

mod dynamo;
mod llm_d;
mod oracle;
#[cfg(test)]
mod tests;

use slo_router::scheduling::load::Load;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use self::dynamo::Dynamo;
use self::llm_d::{Affinity, Scorers};
use self::oracle::Oracle;
use crate::engine::{BlockKey, Prompt};
use crate::simulation::baseline::any_of_least;
use crate::simulation::gateway::{Gateway, RequestNumber, Verdict};
use crate::simulation::scenario::Demand;
use crate::simulation::server::{Server, Status};

/// Rule of a [`PrefixGateway`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixRouter {
    /// llm-d's optimized baseline: its prefix-cache affinity filter, then its token-load scorer.
    LlmD,
    /// llm-d's weighted scorers: prefix cache 3, queue 2, KV-cache utilization 2.
    LlmDScorers,
    /// NVIDIA Dynamo's KV router.
    Dynamo,
    /// An oracle, told the true content of caches and the true lengths of answers.
    Oracle,
}

/// One of them at work.
pub struct PrefixGateway {
    rule: Box<dyn Rule>,
    /// Requests in flight on each pod, in the order in which they came.
    flights: Vec<Vec<Flight>>,
    /// State of each pod when the latest request came.
    statuses: Vec<Status>,
    /// Pods of all requests, by their numbers.
    pods: Vec<usize>,
    rng: fastrand::Rng,
}

/// A request as a rule sees it.
#[derive(Clone, Copy, Debug)]
struct Request {
    id: RequestNumber,
    prompt: Prompt,
    /// Tokens of its answer, which only an oracle knows.
    output_tokens: u32,
}

/// A request on a pod.
#[derive(Clone, Copy, Debug)]
struct Flight {
    request: Request,
    /// Tokens of its prompt that the rule expected the pod to compute.
    uncached_tokens: u32,
    /// `true` until its first token.
    prefills: bool,
}

/// A pod as a rule sees it.
#[derive(Clone, Copy, Debug)]
struct Pod<'a> {
    status: &'a Status,
    flights: &'a [Flight],
}

/// Judgement of a rule on a pod.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rating {
    /// The pod with the least is taken; at random among equals.
    cost: f64,
    /// Tokens of the prompt that the rule expects in the pod's cache.
    cached_tokens: u32,
}

/// A rule by which pods are chosen.
trait Rule {
    /// Rates each pod for a request.
    fn rate(&mut self, request: &Request, pods: &[Pod<'_>]) -> Vec<Rating>;

    /// A request went to a pod.
    fn place(&mut self, _request: &Request, _pod: usize) {}

    /// A request on a pod has ended.
    fn finish(&mut self, _request: &Request, _pod: usize) {}
}

// === impl PrefixRouter ===

impl PrefixRouter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LlmD, Self::LlmDScorers, Self::Dynamo, Self::Oracle];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlmD => "llm-d",
            Self::LlmDScorers => "llm-d-scorers",
            Self::Dynamo => "dynamo",
            Self::Oracle => "oracle",
        }
    }

    fn rule(self, pods: usize) -> Box<dyn Rule> {
        match self {
            Self::LlmD => Box::new(Affinity::new(pods)),
            Self::LlmDScorers => Box::new(Scorers::new(pods)),
            Self::Dynamo => Box::new(Dynamo::new(pods)),
            Self::Oracle => Box::new(Oracle),
        }
    }
}

// === impl PrefixGateway ===

impl PrefixGateway {
    /// Over so many pods, at least one.
    pub fn new(router: PrefixRouter, pods: usize, seed: u64) -> Self {
        Self {
            rule: router.rule(pods),
            flights: vec![Vec::new(); pods],
            statuses: Vec::new(),
            pods: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn place(&mut self, request: Request) -> usize {
        let pod = |(status, flights)| Pod { status, flights };
        let pods: Vec<_> = self.statuses.iter().zip(self.flights.iter().map(Vec::as_slice)).map(pod).collect();
        let ratings = self.rule.rate(&request, &pods);
        let costs: Vec<f64> = ratings.iter().map(|rating| rating.cost).collect();
        let pod = any_of_least(&costs, &mut self.rng);
        let uncached_tokens = request.prompt.tokens.saturating_sub(ratings[pod].cached_tokens);
        self.flights[pod].push(Flight { request, uncached_tokens, prefills: true });
        self.rule.place(&request, pod);
        pod
    }
}

impl Gateway for PrefixGateway {
    fn observe(&mut self, prompt: Prompt, servers: &[Box<dyn Server>]) {
        self.statuses = servers.iter().map(|server| server.status(prompt)).collect();
    }

    fn arrive(&mut self, id: RequestNumber, demand: &Demand, _now: Instant) -> Vec<Verdict> {
        let (prompt, output_tokens) = (demand.arrival.prompt(), demand.arrival.output_tokens);
        let pod = self.place(Request { id, prompt, output_tokens });
        // Requests come in the order of their numbers.
        self.pods.push(pod);
        vec![Verdict::Place(id, pod, Load::ZERO)]
    }

    fn expected_cached_tokens(&self, id: RequestNumber) -> Option<u32> {
        // It is the youngest on its pod.
        let flight = self.flights[self.pods[id as usize]].last()?;
        Some(flight.request.prompt.tokens.saturating_sub(flight.uncached_tokens))
    }

    fn token(&mut self, id: RequestNumber, _output_tokens: u32, _now: Instant) {
        let mut flights = self.flights[self.pods[id as usize]].iter_mut();
        if let Some(flight) = flights.find(|flight| flight.request.id == id) {
            flight.prefills = false;
        }
    }

    fn finish(&mut self, id: RequestNumber, _outcome: Outcome, _now: Instant) {
        let pod = self.pods[id as usize];
        if let Some(place) = self.flights[pod].iter().position(|flight| flight.request.id == id) {
            let Flight { request, .. } = self.flights[pod].remove(place);
            self.rule.finish(&request, pod);
        }
    }
}

// === impl Request ===

impl Request {
    /// Returns the keys of the full blocks of its prompt.
    fn blocks(&self, block_tokens: u32) -> impl Iterator<Item = BlockKey> {
        self.prompt.blocks(self.id.into(), block_tokens)
    }
}

// === impl Pod ===

impl Pod<'_> {
    /// Requests without a first token.
    fn prefilling(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(|flight| flight.prefills)
    }

    /// Tokens of prompts that it was expected to compute, of requests without a first token.
    fn uncached_tokens(&self) -> u64 {
        self.prefilling().map(|flight| u64::from(flight.uncached_tokens)).sum()
    }
}
