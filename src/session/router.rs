//! One configuration in one VM: what its callbacks do. How a request is described and what becomes
//! of decisions is in [`intake`](super::intake) and [`apply`](super::apply).

use std::time::Duration;

use super::body::{Body, Tokenizer};
use super::connections::Connections;
use super::host::{Host, Map};
use super::intent::{Intent, Passing, Wish};
use super::record::{Record, Stage};
use super::replicas::Replicas;
use super::sources::Sources;
use super::stats::Stats;
use super::streams::Streams;
use super::subset_hint::subset_hint;
use crate::config::Config;
use crate::dispatcher::Dispatcher;
use crate::protocol::EndpointPaths;
use crate::scheduling::prefix::PrefixMode;
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::store::{Store, update};

/// The first tick comes at once: profiles and pods are fetched before the first request.
const FIRST_TICK: Duration = Duration::from_millis(10);
/// Time between ticks while something waits for room or for its body.
const BUSY_TICK: Duration = Duration::from_millis(10);
/// Time between ticks of a filter that just started, while its sources have not answered yet: one
/// that fails is asked again soon.
const STARTING_TICK: Duration = Duration::from_millis(50);
/// So long a filter has just started. A source that fails longer is asked more seldom than the
/// heartbeat comes.
const STARTING: Duration = Duration::from_secs(2);
/// Time between ticks otherwise: the heartbeat's.
const IDLE_TICK: Duration = Duration::from_millis(250);
/// Time between surveys of all VMs for metrics.
const SURVEYED_EVERY: Duration = Duration::from_millis(250);
/// Messages taken from the mailbox at once: all say the same.
const MOST_MESSAGES: usize = 64;

/// Decision on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Go,
    /// It is held, or was answered.
    Wait,
}

/// See the module.
pub struct Router<H: Host> {
    pub(super) config: Config,
    pub(super) host: H,
    pub(super) keys: Keys,
    pub(super) dispatcher: Dispatcher<H>,
    pub(super) stats: Stats<H>,
    pub(super) connections: Connections,
    pub(super) streams: Streams,
    pub(super) sources: Sources,
    pub(super) replicas: Option<Replicas>,
    paths: EndpointPaths,
    /// `true` where a policy may ask for more than sums.
    pub(super) looks_at_runs: bool,
    pub(super) rng: fastrand::Rng,
    /// For what decides nothing.
    pub(super) jitter: fastrand::Rng,
    /// Keys the hashes of prompts and of responses' ids, where these are taken.
    pub(super) prompt_secret: Option<u64>,
    started_at: Instant,
    tick: Duration,
    surveyed_at: Instant,
    pub(super) tokenizer: Tokenizer,
}

// === impl Router ===

impl<H: Host> Router<H> {
    /// Takes no part in the pool yet: all VMs get this far, those that never serve too.
    pub fn new(config: Config, host: H) -> Self {
        let seed = host.random_seed();
        let mut rng = fastrand::Rng::with_seed(seed);
        let keys = Keys::of(&config.pool);
        let settings = config.dispatch_settings();
        let takes_hashes = config.prefix != PrefixMode::Off;
        let of_gateways = config.replicas.as_ref().and_then(|replicas| replicas.secret);
        let prompt_secret = || match of_gateways {
            Some(secret) => secret.prompt_key(),
            None => shared_secret(&host, &keys, host.random_seed()),
        };
        let mut router = Self {
            prompt_secret: takes_hashes.then(prompt_secret),
            keys,
            dispatcher: Dispatcher::new(host.clone(), settings, rng.u64(..), host.now()),
            stats: Stats::new(host.clone(), &config.pool, config.replicas.is_some()),
            connections: Connections::default(),
            streams: Streams::default(),
            sources: Sources::new(&config),
            replicas: config.replicas.clone().map(Replicas::new),
            paths: EndpointPaths::new(&config.request.paths),
            looks_at_runs: config.looks_at_runs(),
            rng,
            jitter: fastrand::Rng::with_seed(!seed),
            started_at: host.now(),
            tick: Duration::ZERO,
            surveyed_at: Instant::ZERO,
            tokenizer: Tokenizer::new(config.request.prompt_tokens),
            config,
            host,
        };
        let pool = router.sources.pool(&router.config);
        router.dispatcher.set_pool(pool, router.host.now());
        // A VM that takes a dead one's place is made for a request, which goes by the last good
        // documents.
        router.take_documents(router.host.now());
        router.tick = FIRST_TICK;
        router.host.set_tick_period(FIRST_TICK);
        router
    }

    /// A request's headers came.
    pub fn on_request_headers(&mut self, id: RequestId, end_of_stream: bool) -> Next {
        let now = self.host.now();
        let headers = self.host.headers(Map::Request);
        for header in self.config.upstream.headers().filter(|header| headers.get(header).is_some()) {
            // Refused only without a header map, and then nothing arrives upstream either.
            let _ = self.host.remove_header(Map::Request, header);
        }
        let subset = self.config.upstream.subset_hint.then(|| subset_hint(&self.host)).flatten();
        match Intent::of(&headers, &self.config, &self.paths) {
            Intent::Pass(passing) => {
                let passing = Passing { body: passing.body.filter(|_| !end_of_stream), ..passing };
                self.pass_by(id, passing, subset, now)
            }
            Intent::Ready => self.tell_readiness(id, now),
            Intent::Refuse(refusal, endpoint) => {
                let record = Record::scheduled(id, Stage::Refused, now, endpoint, &headers);
                self.streams.insert(Record { is_read: end_of_stream, ..record });
                self.refuse_record(id, &refusal)
            }
            Intent::Schedule(wish) if wish.read_body && !end_of_stream => {
                let wish = Wish { subset, ..*wish };
                let endpoint = wish.endpoint;
                let stage = Stage::Reading { body: Body::of(&wish, self.prompt_secret), wish };
                self.streams.insert(Record::scheduled(id, stage, now, endpoint, &headers));
                self.adjust_tick();
                Next::Wait
            }
            Intent::Schedule(wish) => {
                let wish = Wish { subset, ..*wish };
                let record = Record::scheduled(id, Stage::Waiting, now, wish.endpoint, &headers);
                self.streams.insert(record);
                if !wish.read_body {
                    return self.schedule(id, wish, None, now);
                }
                let body = Body::of(&wish, self.prompt_secret);
                self.schedule_read(id, wish, body, now)
            }
        }
    }

    /// A part of a request's body came; all parts so far are in the buffer.
    pub fn on_request_body(&mut self, id: RequestId, size: usize, end_of_stream: bool) -> Next {
        let Some(body) = self.streams.get_mut(id).and_then(|record| record.stage.body()) else {
            return self.whether(id);
        };
        // Later parts come in any Envoy; the first shows that it lets us read.
        body.received(size, end_of_stream);
        self.streams.body_seen();
        self.read_arrived(id)
    }

    /// A request's trailers came: its body is complete.
    pub fn on_request_trailers(&mut self, id: RequestId) -> Next {
        let Some(body) = self.streams.get_mut(id).and_then(|record| record.stage.body()) else {
            return self.whether(id);
        };
        body.ended();
        self.read_arrived(id)
    }

    /// Says if the parts of a request that is not being read go on.
    fn whether(&self, id: RequestId) -> Next {
        match self.streams.get(id).map(|record| &record.stage) {
            Some(Stage::Forwarded(_) | Stage::Unplaced) | None => Next::Go,
            Some(_) => Next::Wait,
        }
    }

    /// Something was freed, here or in another VM.
    pub fn on_message(&mut self, queue: u32) {
        for _ in 0..MOST_MESSAGES {
            if !self.host.take_message(queue) {
                break;
            }
        }
        self.read_in_turn();
        let actions = self.dispatcher.look_again(self.host.now());
        self.perform(actions, None);
    }

    /// Time passed.
    pub fn on_tick(&mut self) {
        let now = self.host.now();
        let actions = self.dispatcher.tick(now);
        self.perform(actions, None);
        self.release_unread(now);
        self.refresh_sources(now);
        self.release_early(now);
        self.follow_retries();
        self.meet_replicas(now);
        // In case that a message was lost.
        self.read_unread();
        self.survey(now);
        self.stats.flush();
        self.adjust_tick();
    }

    /// Now and then shows the state of all VMs in metrics.
    fn survey(&mut self, now: Instant) {
        if now.since(self.surveyed_at) < SURVEYED_EVERY {
            return;
        }
        self.surveyed_at = now;
        if let Some(survey) = self.dispatcher.survey(now) {
            self.stats.survey(&survey);
        }
    }

    /// The configuration is gone, and the last of its streams.
    pub fn on_end(&mut self) {
        self.stats.flush();
        self.dispatcher.leave();
    }

    /// Often enough to meet other gateways in time, and to ask for the first pods and profiles.
    fn idle_tick(&self) -> Duration {
        let meetings = self.config.replicas.as_ref().map(|replicas| replicas.callout.interval);
        let is_starting = self.sources.awaits_any() && self.host.now().since(self.started_at) < STARTING;
        let most = if is_starting { STARTING_TICK } else { IDLE_TICK };
        meetings.map_or(most, |interval| interval.min(most))
    }

    pub(super) fn adjust_tick(&mut self) {
        let busy = self.dispatcher.waiting() > 0 || self.streams.any_waits() || self.sources.is_hastened();
        let period = if busy { BUSY_TICK } else { self.idle_tick() };
        if period != self.tick {
            self.tick = period;
            self.host.set_tick_period(period);
        }
    }
}

/// Returns the secret by which the VMs of a pool key the hashes of prompts: that of the first VM
/// which asks for it.
fn shared_secret(store: &impl Store, keys: &Keys, own: u64) -> u64 {
    let mut known = None;
    let written = update(store, &keys.prompt_secret(), |secret: &mut Option<u64>| {
        known = *secret;
        known.is_none().then(|| *secret.insert(own))
    });
    // While it cannot be written, this VM knows only what it placed itself.
    written.ok().flatten().or(known).unwrap_or(own)
}
