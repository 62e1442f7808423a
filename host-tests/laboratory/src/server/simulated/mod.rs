//! OpenAI-compatible model servers, each driven by an engine against the real clock.
//!
//! A listener per pod: chat and text completions (streaming and not), embeddings, models, health, and metrics under vLLM's
//! names. Text is made up; lengths and times are the engine's. Two request headers fix what a tokenizer and a model would decide:
//! `x-sim-prompt-tokens` and [`x-sim-output-tokens`](OUTPUT_HEADER).

mod answer;
mod driver;
mod handlers;
mod lengths;
mod meter;
mod request;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::driver::EngineDriver;
use super::{ANY, Servers, serve};
use crate::engine::EngineSpec;

pub use self::lengths::OUTPUT_HEADER;
pub use self::meter::{Excess, Meter};

/// One simulated pod.
#[derive(Clone, Debug)]
pub struct PodOptions {
    /// The model name that it lists; it answers to any.
    pub served_model: String,
    /// Engine that it computes with.
    pub spec: EngineSpec,
    /// Address that it listens on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Follows its load.
    pub meter: Option<Meter>,
}

/// State that the handlers of one pod share.
#[derive(Clone, Debug)]
struct PodState {
    driver: EngineDriver,
    served_model: Arc<str>,
    answers: Arc<AtomicU64>,
}

/// Starts them; all listen when this returns.
///
/// # Errors
/// Where an address cannot be bound or no thread started.
pub fn start(pods: Vec<PodOptions>) -> io::Result<Servers> {
    Servers::listen(pods.into_iter().map(|pod| (pod.listen, pod)), |listener, pod| {
        let state = PodState {
            driver: EngineDriver::start(pod.spec, pod.meter),
            served_model: pod.served_model.into(),
            answers: Arc::default(),
        };
        serve(listener, move |request| handlers::answer(state.clone(), request))
    })
}

// === impl PodOptions ===

impl PodOptions {
    /// A pod on a free port that serves `llama`.
    pub fn new(spec: EngineSpec) -> Self {
        Self { served_model: "llama".into(), spec, listen: ANY, meter: None }
    }
}

// === impl PodState ===

impl PodState {
    fn next_answer_number(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }
}
