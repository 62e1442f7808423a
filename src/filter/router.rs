//! One configuration in one VM: requests from their headers to a pod.

use std::rc::Rc;
use std::time::Duration;

use fnv::{FnvHashMap, FnvHashSet};

use super::guard::Guard;
use super::host::{self, Buffer, Map};
use super::intent::{Intent, Wish};
use super::passing;
use super::record::{Facts, Record, Stage};
use super::replicas::Replicas;
use super::sources::Sources;
use super::stats::Stats;
use super::store::HostStore;
use crate::config::Config;
use crate::dispatcher::{Action, Dispatcher, Placement, RefusalReason, RetryAfter};
use crate::learning::Learning;
use crate::protocol::{Ask, Endpoint, EndpointPaths, Refusal};
use crate::scheduling::pool::Model;
use crate::scheduling::prediction::{LengthDistribution, OutputLengths, Running};
use crate::scheduling::request::{Arrival, RequestId};
use crate::scheduling::shape::Shape;
use crate::scheduling::time::Instant;
use crate::shared::Keys;

/// The first tick comes at once: profiles and pods are fetched before the first request.
const FIRST_TICK: Duration = Duration::from_millis(10);
/// Time between ticks while something waits for room or for its body.
const BUSY_TICK: Duration = Duration::from_millis(10);
/// Time between ticks otherwise: the heartbeat's.
const IDLE_TICK: Duration = Duration::from_millis(250);
/// Models with a history and labels of their own; the rest share one.
const MOST_MODELS: usize = 256;
/// The name of the rest.
const OTHER_MODELS: &str = "other";
/// Messages taken from the mailbox at once: all say the same.
const MOST_MESSAGES: usize = 64;

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Go,
    /// It is held, or was answered.
    Wait,
}

/// See the module.
pub struct Router {
    /// The root context.
    root: u32,
    pub(super) config: Config,
    pub(super) store: HostStore,
    pub(super) keys: Keys,
    pub(super) dispatcher: Dispatcher<HostStore>,
    pub(super) learning: Learning,
    pub(super) stats: Stats,
    pub(super) records: FnvHashMap<RequestId, Record>,
    pub(super) sources: Sources,
    pub(super) replicas: Option<Replicas>,
    paths: EndpointPaths,
    pub(super) guard: Guard,
    labels: FnvHashSet<String>,
    /// Whether a policy may ask for more than sums.
    pub(super) looks_at_runs: bool,
    rng: fastrand::Rng,
    tick: Duration,
    shared_at: Instant,
    #[cfg(feature = "exact")]
    tokenizer: crate::protocol::Cl100k,
}

// === impl Router ===

impl Router {
    /// Takes no part in the pool yet: all VMs get this far, those that never serve too.
    pub fn new(config: Config, root: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(host::random_seed());
        let mut router = Self {
            root,
            store: HostStore,
            keys: Keys::of(&config.pool),
            dispatcher: Dispatcher::new(HostStore, config.dispatch_settings(), rng.u64(..), host::now()),
            learning: Learning::new(config.prediction),
            stats: Stats::new(&config.pool, config.replicas.is_some()),
            records: FnvHashMap::default(),
            sources: Sources::new(&config),
            replicas: config.replicas.clone().map(Replicas::new),
            paths: EndpointPaths::new(&config.request.paths),
            guard: Guard::default(),
            labels: FnvHashSet::default(),
            looks_at_runs: config.looks_at_runs(),
            rng,
            tick: Duration::ZERO,
            shared_at: Instant::ZERO,
            #[cfg(feature = "exact")]
            tokenizer: crate::protocol::Cl100k::default(),
            config,
        };
        let pool = router.sources.pool(&router.config);
        router.dispatcher.set_pool(pool, host::now());
        // A VM that takes a dead one's place is made for a request, which goes by the last good documents.
        router.take_documents(host::now());
        router.tick = FIRST_TICK;
        host::set_tick_period(FIRST_TICK);
        router
    }

    /// A request's headers came.
    pub fn on_request_headers(&mut self, id: RequestId, end_of_stream: bool) -> Next {
        let now = host::now();
        let headers = host::headers(Map::Request);
        if headers.get(&self.config.upstream.header).is_some() {
            // Refused only without a header map, and then nothing arrives upstream either.
            let _ = host::remove_header(Map::Request, &self.config.upstream.header);
        }
        let subset = self.config.upstream.subset_hint.then(passing::subset_hint).flatten();
        match Intent::of(&headers, &self.config, &self.paths) {
            Intent::Pass => self.pass_by(subset, now),
            Intent::Refuse(refusal) => {
                self.records.insert(id, Record::new(id, Stage::Refused, now));
                self.refuse(&refusal)
            }
            Intent::Schedule(wish) if wish.read_body && !end_of_stream => {
                let wish = Wish { subset, ..wish };
                self.records.insert(id, Record::new(id, Stage::Reading { wish, received: 0 }, now));
                self.guard.watch(id, now);
                self.adjust_tick();
                Next::Wait
            }
            Intent::Schedule(wish) => {
                let wish = Wish { subset, ..wish };
                let body = wish.read_body.then(Vec::new);
                self.records.insert(id, Record::new(id, Stage::Waiting, now));
                self.schedule(id, wish, body.as_deref(), now)
            }
        }
    }

    /// A part of a request's body came; all parts so far are in the buffer.
    pub fn on_request_body(&mut self, id: RequestId, size: usize, end_of_stream: bool) -> Next {
        match self.records.get_mut(&id).map(|record| &mut record.stage) {
            Some(Stage::Reading { received, .. }) => {
                // Later parts come in any Envoy; the first shows that it lets us read.
                self.guard.body_seen();
                *received = size;
                if end_of_stream { self.read_body(id) } else { Next::Wait }
            }
            Some(Stage::Waiting | Stage::Refused) => Next::Wait,
            Some(Stage::Forwarded(_) | Stage::Unplaced) | None => Next::Go,
        }
    }

    /// A request's trailers came: its body is complete.
    pub fn on_request_trailers(&mut self, id: RequestId) -> Next {
        match self.records.get(&id).map(|record| &record.stage) {
            Some(Stage::Reading { .. }) => self.read_body(id),
            Some(Stage::Waiting | Stage::Refused) => Next::Wait,
            Some(Stage::Forwarded(_) | Stage::Unplaced) | None => Next::Go,
        }
    }

    /// Something was freed, here or in another VM.
    pub fn on_message(&mut self, queue: u32) {
        for _ in 0..MOST_MESSAGES {
            if !host::dequeue(queue) {
                break;
            }
        }
        let actions = self.dispatcher.look_again(host::now());
        self.perform(actions, None);
    }

    /// Time passed.
    pub fn on_tick(&mut self) {
        let now = host::now();
        let actions = self.dispatcher.tick(now);
        self.perform(actions, None);
        self.release_unread(now);
        self.refresh_sources(now);
        self.meet_replicas(now);
        if now.since(self.shared_at) >= IDLE_TICK {
            self.shared_at = now;
            self.learning.share(&self.store, &self.keys);
            if let Some(survey) = self.dispatcher.survey(now) {
                self.stats.survey(&survey);
            }
        }
        self.stats.flush();
        self.adjust_tick();
    }

    /// The configuration is gone, and the last of its streams.
    pub fn on_end(&mut self) {
        self.stats.flush();
        self.dispatcher.leave();
    }

    fn read_body(&mut self, id: RequestId) -> Next {
        self.guard.forget(id);
        let Some(record) = self.records.get_mut(&id) else { return Next::Go };
        let Stage::Reading { wish, received } = std::mem::replace(&mut record.stage, Stage::Waiting) else {
            return Next::Wait;
        };
        let body = host::buffer(Buffer::RequestBody, received).unwrap_or_default();
        self.schedule(id, wish, Some(&body), host::now())
    }

    /// Requests whose bodies Envoy does not let the filter read go on by their headers.
    fn release_unread(&mut self, now: Instant) {
        for id in self.guard.give_up(now) {
            let Some(record) = self.records.get_mut(&id) else { continue };
            let Stage::Reading { wish, .. } = std::mem::replace(&mut record.stage, Stage::Waiting) else { continue };
            if host::set_effective_context(id.0).is_err() {
                continue;
            }
            if self.schedule(id, wish, None, now) == Next::Go {
                let _ = host::resume_request();
            }
        }
    }

    /// Places a request, or lets it wait. Its stream is the effective context.
    fn schedule(&mut self, id: RequestId, wish: Wish, body: Option<&[u8]>, now: Instant) -> Next {
        let ask = match body.map(|body| self.read(wish.endpoint, body)).transpose() {
            Ok(ask) => ask,
            Err(refusal) => return self.refuse_record(id, &refusal),
        };
        let named = if body.is_some() { ask.as_ref().and_then(|ask| ask.model.clone()) } else { wish.model.clone() };
        let Some(name) = named.or_else(|| self.config.default_model.clone()) else {
            return self.refuse_record(id, &Refusal::ModelMissing);
        };
        if self.pods_are_unknown() {
            return self.go_unplaced(id, wish.subset.as_ref());
        }
        let known = self.config.models.get(&name);
        let model = Model { base: known.and_then(|known| known.base.clone()), name };
        let model_slo = known.and_then(|known| known.slo);
        let label = self.label(&model);
        let input_tokens = self.input_tokens(&label, &wish, ask.as_ref());
        let output_tokens = self.output_tokens(&label, input_tokens, wish.endpoint, ask.as_ref(), now);
        let lengths =
            wish.policy.looks_at_runs().then(|| self.lengths(&label, input_tokens, wish.endpoint, ask.as_ref()));
        let shape = Shape { output_tokens, input_tokens };
        let class = wish.classes.iter().copied().find(|class| {
            let class = self.config.classes.get(*class);
            class.is_some_and(|class| class.model.as_ref().is_none_or(|named| *named == model.name))
        });
        let weight = class.and_then(|class| self.config.classes.get(class)).map(|class| class.weight);
        let class_slo = class.and_then(|class| self.config.classes.get(class)?.slo);
        let Some(record) = self.records.get_mut(&id) else { return Next::Go };
        record.facts = Some(Facts {
            model: model.name.clone(),
            label,
            class,
            shape,
            characters: ask.as_ref().filter(|ask| ask.prompt.images == 0).map(|ask| ask.prompt.characters),
            bytes: body.map(|body| body.len() as u64).or(wish.bytes),
        });
        let arrival = Arrival {
            id,
            at: record.arrived_at,
            class: class.map_or(0, |class| class.saturating_add(1)),
            weight: weight.unwrap_or_default(),
            policy: wish.policy,
            shape,
            streamed: ask.is_some_and(|ask| ask.stream),
            lengths,
            slo: wish.slo.or(class_slo).or(model_slo),
            model,
            subset: wish.subset,
        };
        let actions = self.dispatcher.submit(arrival, now);
        self.perform(actions, Some(id))
    }

    fn read(&self, endpoint: Endpoint, body: &[u8]) -> Result<Ask, Refusal> {
        #[cfg(feature = "exact")]
        if self.config.request.prompt_tokens == crate::config::PromptTokens::Exact {
            return Ask::read(endpoint, body, Some(&self.tokenizer)).map_err(Refusal::BodyInvalid);
        }
        Ask::read(endpoint, body, None).map_err(Refusal::BodyInvalid)
    }

    fn input_tokens(&mut self, label: &str, wish: &Wish, ask: Option<&Ask>) -> u32 {
        let Some(ask) = ask else { return self.learning.tokens_of_body(label, wish.bytes) };
        let text =
            ask.prompt.tokens.unwrap_or_else(|| self.learning.tokens_of_characters(label, ask.prompt.characters));
        text.saturating_add(ask.prompt.images.saturating_mul(self.config.request.image_tokens))
    }

    fn output_tokens(&mut self, label: &str, input: u32, endpoint: Endpoint, ask: Option<&Ask>, now: Instant) -> u32 {
        if endpoint == Endpoint::Embeddings {
            return 0;
        }
        let running = || running_of(&self.records, label);
        let estimate = self.learning.output_tokens(label, input, running, now, &mut self.rng);
        let most = ask.and_then(|ask| ask.max_output_tokens).unwrap_or(u32::MAX);
        estimate.min(most).saturating_mul(ask.map_or(1, |ask| ask.choices))
    }

    /// How long the answer may be, for a policy that asks for it.
    fn lengths(&mut self, label: &str, input: u32, endpoint: Endpoint, ask: Option<&Ask>) -> OutputLengths {
        if endpoint == Endpoint::Embeddings {
            return OutputLengths::new(Rc::new(LengthDistribution::certain(0)), 0);
        }
        let curve = self.learning.lengths(label, input, || running_of(&self.records, label));
        let most = ask.and_then(|ask| Some(ask.max_output_tokens?.saturating_mul(ask.choices)));
        OutputLengths::new(curve, most.unwrap_or(u32::MAX))
    }

    /// The name under which a model's lengths are learned. Names that no pod serves, and names beyond the first so many
    /// that clients make up, share one.
    fn label(&mut self, model: &Model) -> String {
        let is_new = !self.labels.contains(&model.name);
        if is_new && (self.labels.len() >= MOST_MODELS || !self.dispatcher.pool().serves(model)) {
            return OTHER_MODELS.to_owned();
        }
        if is_new {
            self.labels.insert(model.name.clone());
            self.learning.meet(&model.name, &self.store, &self.keys);
        }
        model.name.clone()
    }

    /// Does what the dispatcher decided. `own` is the stream whose callback runs; the answer is for it.
    pub(super) fn perform(&mut self, actions: Vec<Action>, own: Option<RequestId>) -> Next {
        let mut next = Next::Wait;
        let mut effective = own;
        for action in actions {
            let (Action::Forward(id, _) | Action::Refuse(id, ..)) = &action;
            let (id, is_own) = (*id, Some(*id) == own);
            if effective != Some(id) && host::set_effective_context(id.0).is_err() {
                // The stream is gone; its end was or will be told.
                continue;
            }
            effective = Some(id);
            match action {
                Action::Forward(_, placement) => {
                    self.forward(id, placement);
                    if is_own {
                        next = Next::Go;
                    } else {
                        let _ = host::resume_request();
                    }
                }
                Action::Refuse(_, reason, retry_after) => {
                    let refusal = self.refusal(id, reason, retry_after);
                    self.refuse_record(id, &refusal);
                }
            }
        }
        if effective != own {
            // What follows, such as callouts, is not to end with another stream.
            let _ = host::set_effective_context(own.map_or(self.root, |own| own.0));
        }
        self.adjust_tick();
        next
    }

    fn forward(&mut self, id: RequestId, placement: Placement) {
        // Headers must be set before the request goes on: afterwards they are gone.
        let _ = host::set_header(Map::Request, &self.config.upstream.header, &placement.named());
        self.stats.placed(&placement);
        if let Some(record) = self.records.get_mut(&id) {
            record.stage = Stage::Forwarded(placement);
        }
    }

    fn refusal(&self, id: RequestId, reason: RefusalReason, retry_after: RetryAfter) -> Refusal {
        let retry_after = retry_after.unwrap_or_default();
        let record = self.records.get(&id);
        match reason {
            RefusalReason::UnknownModel => Refusal::ModelUnknown {
                model: record.and_then(|record| Some(record.facts.as_ref()?.model.clone())).unwrap_or_default(),
            },
            RefusalReason::NoReadyPod => Refusal::NoReadyPod,
            RefusalReason::Infeasible => Refusal::Infeasible,
            RefusalReason::QueueFull => Refusal::QueueFull { retry_after },
            RefusalReason::Late => Refusal::Late { retry_after },
            RefusalReason::WaitedTooLong => {
                let waited = record.map(|record| host::now().since(record.arrived_at)).unwrap_or_default();
                Refusal::WaitedTooLong { waited, retry_after }
            }
        }
    }

    pub(super) fn refuse_record(&mut self, id: RequestId, refusal: &Refusal) -> Next {
        if let Some(record) = self.records.get_mut(&id) {
            record.stage = Stage::Refused;
        }
        self.refuse(refusal)
    }

    /// Answers the effective context.
    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Next {
        self.stats.refused(refusal.code());
        let reply = refusal.reply();
        let headers: Vec<(&str, &str)> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let _ = host::send_reply(reply.status, &headers, &reply.body, "slo_router");
        Next::Wait
    }

    /// Often enough to meet other gateways in time.
    fn idle_tick(&self) -> Duration {
        let meetings = self.config.replicas.as_ref().map(|replicas| replicas.callout.interval);
        meetings.map_or(IDLE_TICK, |interval| interval.min(IDLE_TICK))
    }

    fn adjust_tick(&mut self) {
        let busy = self.dispatcher.waiting() > 0 || self.guard.is_watching();
        let period = if busy { BUSY_TICK } else { self.idle_tick() };
        if period != self.tick {
            self.tick = period;
            host::set_tick_period(period);
        }
    }
}

/// The requests that still generate: their lengths so far are known to be exceeded.
fn running_of(records: &FnvHashMap<RequestId, Record>, label: &str) -> Vec<Running> {
    let running = records.values().filter_map(|record| {
        let facts = record.facts.as_ref().filter(|facts| facts.label == label)?;
        let output_so_far = record.observer.as_ref()?.output_so_far();
        Some(Running { input_tokens: facts.shape.input_tokens, output_so_far })
    });
    running.collect()
}
