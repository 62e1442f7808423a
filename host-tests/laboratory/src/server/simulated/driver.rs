//! An engine against the real clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use slo_router::scheduling::time::Instant;
use tokio::sync::{Notify, mpsc};

use super::Meter;
use crate::engine::{Engine, EngineSpec, EventKind, Gauges, RequestId, SubmitError};

/// An engine that runs in real time for as long as its runtime does.
#[derive(Clone, Debug)]
pub(super) struct EngineDriver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// An idle engine got work.
    woken: Notify,
    started: tokio::time::Instant,
}

#[derive(Debug)]
struct State {
    engine: Engine,
    next_id: RequestId,
    listeners: HashMap<RequestId, mpsc::UnboundedSender<Progress>>,
    meter: Option<Meter>,
}

/// Progress of a request after an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Output tokens so far.
    pub tokens: u32,
    /// `true` if those are all.
    pub finished: bool,
}

/// A request in the engine; dropping it cancels what is left of it.
#[derive(Debug)]
pub(super) struct Generation {
    id: RequestId,
    progress: mpsc::UnboundedReceiver<Progress>,
    shared: Arc<Shared>,
}

// === impl EngineDriver ===

impl EngineDriver {
    /// Starts an idle engine on the current runtime.
    pub(super) fn start(spec: EngineSpec, meter: Option<Meter>) -> Self {
        let state = State { engine: Engine::new(spec), next_id: 0, listeners: HashMap::new(), meter };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), woken: Notify::new(), started: tokio::time::Instant::now() });
        tokio::spawn(run(shared.clone()));
        Self(shared)
    }

    pub(super) fn submit(&self, prompt_tokens: u32, output_tokens: u32) -> Result<Generation, SubmitError> {
        let (sender, progress) = mpsc::unbounded_channel();
        let mut state = self.0.lock();
        let now = self.0.now();
        state.advance(now);
        let id = state.next_id;
        state.engine.submit(id, prompt_tokens, output_tokens, now)?;
        state.next_id += 1;
        state.listeners.insert(id, sender);
        if let Some(meter) = &state.meter {
            meter.begin(now);
        }
        drop(state);
        self.0.woken.notify_one();
        Ok(Generation { id, progress, shared: self.0.clone() })
    }

    pub(super) fn gauges(&self) -> Gauges {
        let mut state = self.0.lock();
        state.advance(self.0.now());
        state.engine.gauges()
    }
}

async fn run(shared: Arc<Shared>) {
    loop {
        let next_at = {
            let mut state = shared.lock();
            state.advance(shared.now());
            state.engine.next_event_at()
        };
        match next_at {
            Some(at) => tokio::time::sleep_until(shared.started + at.since(Instant::ZERO)).await,
            None => shared.woken.notified().await,
        }
    }
}

// === impl Shared ===

impl Shared {
    fn now(&self) -> Instant {
        Instant::ZERO.after(self.started.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// Tells each request once what happened to it until `now`, however many iterations that were.
    fn advance(&mut self, now: Instant) {
        let mut progress: HashMap<RequestId, Progress> = HashMap::new();
        for event in self.engine.advance(now) {
            match event.kind {
                EventKind::Token { n } => progress.entry(event.id).or_default().tokens = n,
                EventKind::Finished { .. } => {
                    progress.entry(event.id).or_default().finished = true;
                    self.end(event.at);
                }
                EventKind::Preempted => {}
            }
        }
        for (id, progress) in progress {
            let told = self.listeners.get(&id).map(|listener| listener.send(progress));
            if progress.finished || told.is_none_or(|told| told.is_err()) {
                self.listeners.remove(&id);
            }
        }
    }

    /// A request has left the engine.
    fn end(&self, at: Instant) {
        if let Some(meter) = &self.meter {
            meter.end(at);
        }
    }
}

// === impl Generation ===

impl Generation {
    /// Waits for the end.
    pub(super) async fn end(mut self) {
        while self.progress.recv().await.is_some() {}
    }

    /// Polls what came next; `None` after the end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.progress.poll_recv(cx)
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        state.listeners.remove(&self.id);
        if state.engine.cancel(self.id, now) {
            state.end(now);
        }
    }
}
