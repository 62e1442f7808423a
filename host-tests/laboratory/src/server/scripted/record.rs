//! Record of what a pod has seen.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::body::Piece;
use super::{Answer, Plan};

/// A request that arrived at a pod.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its number on this pod, from 0.
    pub id: usize,
    /// Its place in the order of arrivals on all pods.
    pub order: u64,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Reaction to a request that is held.
#[derive(Debug)]
pub(super) enum Reaction {
    Answer(Answer),
    Paced(Answer, UnboundedReceiver<Piece>),
    Close,
}

#[derive(Debug)]
struct State {
    plan: Plan,
    next: VecDeque<Plan>,
    arrivals: Vec<Arrival>,
    held: HashMap<usize, oneshot::Sender<Reaction>>,
    running: usize,
    most_running: usize,
}

/// A pod's state, shared with its connections.
#[derive(Debug, Clone)]
pub(super) struct Record(Arc<Mutex<State>>);

/// Counts a request as running for as long as it lives.
#[derive(Debug)]
pub(super) struct Running(Record);

// === impl Arrival ===

impl Arrival {
    /// A header's value, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }
}

// === impl Record ===

impl Record {
    pub(super) fn new(plan: Plan) -> Self {
        let (next, arrivals, held) = Default::default();
        Self(Arc::new(Mutex::new(State { plan, next, arrivals, held, running: 0, most_running: 0 })))
    }

    pub(super) fn plan(&self, plan: Plan) {
        self.lock().plan = plan;
    }

    pub(super) fn next(&self, plan: Plan) {
        self.lock().next.push_back(plan);
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.lock().arrivals.clone()
    }

    pub(super) fn running(&self) -> usize {
        self.lock().running
    }

    pub(super) fn most_running(&self) -> usize {
        self.lock().most_running
    }

    /// A request begins to run.
    pub(super) fn run(&self) -> Running {
        let mut state = self.lock();
        state.running += 1;
        state.most_running = state.most_running.max(state.running);
        Running(self.clone())
    }

    /// Records a request and says what becomes of it.
    pub(super) fn arrive(&self, head: hyper::http::request::Parts, body: Bytes) -> oneshot::Receiver<Reaction> {
        static ORDER: AtomicU64 = AtomicU64::new(0);
        let mut state = self.lock();
        let id = state.arrivals.len();
        let arrival = Arrival {
            id,
            order: ORDER.fetch_add(1, Ordering::Relaxed),
            method: head.method,
            path: head.uri.to_string(),
            headers: head.headers,
            body,
        };
        state.arrivals.push(arrival.clone());
        let (sender, receiver) = oneshot::channel();
        let plan = state.next.pop_front().unwrap_or_else(|| state.plan.clone());
        let reaction = match plan {
            Plan::Answer(answer) => Reaction::Answer(answer),
            Plan::Serve(serve) => Reaction::Answer(serve(&arrival)),
            Plan::Close => Reaction::Close,
            Plan::Hold => {
                state.held.insert(id, sender);
                return receiver;
            }
        };
        // The receiver is at hand.
        drop(sender.send(reaction));
        receiver
    }

    /// Ends the wait of a request; false where it is not held, or its client has left.
    pub(super) fn react(&self, id: usize, reaction: Reaction) -> bool {
        let held = self.lock().held.remove(&id);
        held.is_some_and(|held| held.send(reaction).is_ok())
    }

    /// The requests that are held and whose clients are there, oldest first.
    pub(super) fn held(&self) -> Vec<usize> {
        let state = self.lock();
        let mut held: Vec<usize> = state.held.iter().filter(|(_, held)| !held.is_closed()).map(|(id, _)| *id).collect();
        held.sort_unstable();
        held
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}
