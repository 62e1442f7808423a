//! OpenAI-compatible model servers on loopback, each driven by an engine against the real clock.
//!
//! A listener per pod: chat and text completions (streaming and not), embeddings, models, health, and metrics under vLLM's
//! names. Text is made up; lengths and times are the engine's. Two request headers fix what a tokenizer and a model would decide:
//! `x-sim-prompt-tokens` and `x-sim-output-tokens`.

mod answer;
mod driver;
mod handlers;
mod lengths;
mod request;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use self::driver::EngineDriver;
use crate::engine::EngineSpec;

/// One simulated pod.
#[derive(Clone, Debug)]
pub struct PodOptions {
    /// Its name, for logs.
    pub name: String,
    /// The model name that it lists; it answers to any.
    pub served_model: String,
    /// Engine that it computes with.
    pub spec: EngineSpec,
    /// Address that it listens on; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// Running pods; dropping them closes all their listeners and connections.
#[derive(Debug)]
pub struct Pods {
    pods: Vec<RunningPod>,
    /// One of their own, so that they live beside any caller, asynchronous or not. `Some` until dropped.
    runtime: Option<Runtime>,
}

/// Name and address of a running pod.
#[derive(Clone, Debug)]
pub struct RunningPod {
    /// The name from its options.
    pub name: String,
    /// Address that it listens on.
    pub address: SocketAddr,
}

/// State that the handlers of one pod share.
#[derive(Clone, Debug)]
struct PodState {
    driver: EngineDriver,
    served_model: Arc<str>,
    answers: Arc<AtomicU64>,
}

// === impl Pods ===

impl Pods {
    /// Starts them; all listen when this returns. Fails if an address cannot be bound.
    pub fn start(options: Vec<PodOptions>) -> io::Result<Self> {
        // A token costs microseconds: one thread carries a pool of pods and leaves the other cores to the proxy.
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("pods").enable_all().build()?;
        let mut pods = Vec::with_capacity(options.len());
        for options in options {
            let listener = std::net::TcpListener::bind(options.listen)?;
            listener.set_nonblocking(true)?;
            pods.push(RunningPod { name: options.name.clone(), address: listener.local_addr()? });
            runtime.spawn(serve(listener, options));
        }
        Ok(Self { pods, runtime: Some(runtime) })
    }

    /// In the order of their options.
    pub fn pods(&self) -> &[RunningPod] {
        &self.pods
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        // Waiting for the tasks is not allowed where the caller is asynchronous; nothing of theirs outlives the process.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: std::net::TcpListener, options: PodOptions) -> io::Result<()> {
    // A token is a packet: nothing may wait for the next one.
    let listener = TcpListener::from_std(listener)?.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let pod = PodState {
        driver: EngineDriver::start(options.spec),
        served_model: options.served_model.into(),
        answers: Arc::default(),
    };
    axum::serve(listener, handlers::router(pod)).await
}

// === impl PodState ===

impl PodState {
    fn next_answer_number(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }
}
