//! Builder of a world.

use std::fmt;
use std::time::Duration;

use crate::callout::{Answers, Call, CallAnswer};
use crate::process::Process;
use crate::random::Draws;
use crate::upstream::{Forwarded, Route, Router};
use crate::world::{Inner, World};
use crate::{LogLevel, Program, Thread};

/// Reaction of Envoy once a VM has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// 503 for all requests from then on.
    Closed,
    /// 503 until the backoff since the VM was loaded is over, then a new VM.
    #[default]
    Reload,
    /// New requests pass by the filter.
    Open,
}

/// Times and limits of the proxy. The defaults are what was measured on, or is built into, Envoy.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Lag of a tick behind the time asked for.
    pub tick_lag: Duration,
    /// From an enqueue to its notification.
    pub queue_delay: Duration,
    /// `stream_idle_timeout`; `Duration::MAX` for none.
    pub idle_timeout: Duration,
    /// The least age of a VM that is replaced after it died.
    pub reload_backoff: Duration,
    /// `per_connection_buffer_limit_bytes`: a buffered body beyond it is answered 413.
    pub body_limit: usize,
    /// So many callbacks may nest before the VM dies of stack overflow. On Envoy 1.40, 270 requests that failed as soon as
    /// they were released together went well and 290 killed the VM; local replies need less stack each.
    pub depth_limit: usize,
}

/// The proxy would not take the configuration, or not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Reason, and the guest's log lines of warning and above.
    pub reason: String,
}

/// Makes a [`World`].
pub struct Builder {
    program: Program,
    pub(crate) options: Options,
    log_level: LogLevel,
    timing: Timing,
    seed: Option<u64>,
    clock: Duration,
    draws: Option<Draws>,
    router: Router,
    clusters: Vec<(String, Answers)>,
}

/// Options that are fixed while a world lives.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) workers: usize,
    pub(crate) policy: FailurePolicy,
    pub(crate) name: String,
    pub(crate) vm_id: String,
    pub(crate) configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allow_on_headers_stop_iteration: bool,
}

// === impl Builder ===

impl Builder {
    pub(crate) fn new(program: &Program) -> Self {
        Self {
            program: program.clone(),
            options: Options {
                workers: 1,
                policy: FailurePolicy::default(),
                name: "filter".to_owned(),
                vm_id: "filter".to_owned(),
                configuration: Vec::new(),
                environment: Vec::new(),
                allow_on_headers_stop_iteration: true,
            },
            log_level: LogLevel::Debug,
            timing: Timing::default(),
            seed: None,
            clock: Duration::ZERO,
            draws: None,
            router: Box::new(|_| Route::Manual),
            clusters: Vec::new(),
        }
    }

    /// Sets the number of workers (`--concurrency`); one by default.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// The plugin's configuration.
    #[must_use]
    pub fn configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.options.configuration = configuration.into();
        self
    }

    /// The plugin's name and root id.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.options.name);
        self
    }

    /// The `vm_id`; Istio's is empty.
    #[must_use]
    pub fn vm_id(mut self, vm_id: &str) -> Self {
        vm_id.clone_into(&mut self.options.vm_id);
        self
    }

    /// An environment variable of the VM.
    #[must_use]
    pub fn environment(mut self, key: &str, value: &str) -> Self {
        self.options.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// `allow_on_headers_stop_iteration`; on if not said.
    #[must_use]
    pub fn allow_on_headers_stop_iteration(mut self, allow: bool) -> Self {
        self.options.allow_on_headers_stop_iteration = allow;
        self
    }

    /// Sets what happens after a trap; [`FailurePolicy::Reload`] by default.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// The least level of log lines that are kept; `Debug` if not said.
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Changes times and limits.
    #[must_use]
    pub fn timing(mut self, change: impl FnOnce(&mut Timing)) -> Self {
        change(&mut self.timing);
        self
    }

    /// Seeds what the guest draws, and lets the order of simultaneous events on different threads be drawn as well.
    /// Without it the guest's draws are the same in every run and such events come in the order of their making.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets what the monotonic clock shows at the start; zero by default.
    #[must_use]
    pub fn clock(mut self, shows: Duration) -> Self {
        self.clock = shows;
        self
    }

    /// Sets what a guest on a thread draws each time, in place of what the seed gives.
    #[must_use]
    pub fn draws(mut self, draws: impl FnMut(Thread, &mut [u8]) + 'static) -> Self {
        self.draws = Some(Box::new(draws));
        self
    }

    /// A cluster for callouts.
    #[must_use]
    pub fn cluster(mut self, name: &str, answers: impl FnMut(&Call) -> CallAnswer + 'static) -> Self {
        self.clusters.push((name.to_owned(), Box::new(answers)));
        self
    }

    /// Sets what becomes of forwarded requests; by default the test answers each.
    #[must_use]
    pub fn upstream(mut self, router: impl FnMut(&Forwarded<'_>) -> Route + 'static) -> Self {
        self.router = Box::new(router);
        self
    }

    /// Starts the proxy: base VM, canary, main thread, workers.
    ///
    /// # Errors
    /// If the guest refuses its configuration or dies over it; Envoy would exit.
    pub fn build(self) -> Result<World, Rejected> {
        let mut process = Process::new(self.timing, self.log_level, self.router, self.seed);
        process.now = self.clock;
        process.draws = self.draws.unwrap_or(process.draws);
        for (name, answers) in self.clusters {
            process.clusters.set(name, answers);
        }
        Inner::start(self.program, process, self.options).map(World::new)
    }
}

// === impl Timing ===

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick_lag: Duration::from_millis(2),
            queue_delay: Duration::from_micros(100),
            idle_timeout: Duration::from_secs(300),
            reload_backoff: Duration::from_secs(1),
            body_limit: 1 << 20,
            depth_limit: 250,
        }
    }
}

// === impl Rejected ===

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Rejected {}
