//! A gateway with its pods and a client.

use laboratory::client::{Client, Request};
use laboratory::gateway::{Envoy, Options, until};
use laboratory::server::scripted::{Answer, Arrival, Plan, Pod};
use serde_json::Value;

use super::turn::{Turn, turn};
use super::{CHAT, chat, filter, pods};

/// Tells requests apart; passed on to the pod as any header is.
const NAME: &str = "x-test-name";

/// Requests that wait in the pool's queue.
const WAITING: &str = "slo_router_waiting";
/// Requests that run on the pool's pods.
const RUNNING: &str = "slo_router_in_flight";

/// The gateway under test.
#[derive(Debug)]
pub struct Rig {
    /// Envoy with the filter.
    pub envoy: Envoy,
    /// The pods behind it.
    pub pods: Vec<Pod>,
    /// An HTTP/1.1 client of it.
    pub client: Client,
    _turn: Turn,
}

// === impl Rig ===

impl Rig {
    /// `count` pods that hold what they get, of which each takes `fit` at a time, behind so many workers.
    pub async fn holding(count: usize, fit: u32, workers: u32) -> anyhow::Result<Self> {
        Self::start(count, &Plan::Hold, fit, |_| {}, |options| options.workers(workers)).await
    }

    /// One worker and `count` pods that answer at once, with a change of the filter's configuration.
    pub async fn answering(count: usize, fit: u32, change: impl FnOnce(&mut Value)) -> anyhow::Result<Self> {
        Self::start(count, &Plan::Answer(Answer::completion(10, 5)), fit, change, |options| options).await
    }

    /// `count` pods that follow `plan`, with changes of the filter's configuration and of Envoy's.
    pub async fn start(
        count: usize,
        plan: &Plan,
        fit: u32,
        change: impl FnOnce(&mut Value),
        envoy: impl FnOnce(Options) -> Options,
    ) -> anyhow::Result<Self> {
        let pods = pods(count, plan)?;
        let mut filter = filter(&pods, fit);
        change(&mut filter);
        Self::with(pods, filter, envoy).await
    }

    /// These pods, with the filter's configuration and changes of Envoy's.
    pub async fn with(pods: Vec<Pod>, filter: Value, envoy: impl FnOnce(Options) -> Options) -> anyhow::Result<Self> {
        let options = envoy(Options::new(filter, pods.iter().map(Pod::address)));
        Self::of(pods, options).await
    }

    /// These pods behind this Envoy.
    pub async fn of(pods: Vec<Pod>, options: Options) -> anyhow::Result<Self> {
        let turn = turn()?;
        let envoy = Envoy::start(options).await?;
        let client = Client::http1(envoy.address());
        Ok(Self { envoy, pods, client, _turn: turn })
    }

    /// A chat request.
    pub fn ask(&self) -> Request {
        self.client.post(CHAT).json(&chat())
    }

    /// A chat request that can be told apart.
    pub fn ask_as(&self, name: &str) -> Request {
        self.ask().header(NAME, name)
    }

    /// Names of the requests that have arrived at a pod, in order.
    pub fn names(&self, pod: usize) -> Vec<String> {
        let name = |arrival: &Arrival| arrival.header(NAME).unwrap_or_default().to_owned();
        self.pods[pod].arrivals().iter().map(name).collect()
    }

    /// Returns the number of requests that each pod has got.
    pub fn counts(&self) -> Vec<usize> {
        self.pods.iter().map(|pod| pod.arrivals().len()).collect()
    }

    /// Waits until so many requests are in the queue.
    pub async fn waiting(&self, count: usize) {
        until(&format!("{count} requests wait"), async || self.gauge_of(WAITING).await == Some(count as f64)).await;
    }

    /// As [`Rig::released`]; and sees that no VM has crashed on the way.
    pub async fn idle(&self) {
        self.released().await;
        assert!(!self.a_vm_has_crashed(), "{}", self.envoy.log());
    }

    /// Returns `true` if a VM has crashed: Envoy counts only those that it has replaced, but logs
    /// the callback in which it happened.
    pub fn a_vm_has_crashed(&self) -> bool {
        self.envoy.log().lines().any(|line| line.contains("[wasm]") && line.contains("Function: proxy_on_"))
    }

    /// Waits until nothing waits, runs or is accounted for any more.
    pub async fn released(&self) {
        until("nothing waits and all load is released", async || {
            self.gauge_of(WAITING).await == Some(0.0) && self.gauge_of(RUNNING).await == Some(0.0)
        })
        .await;
        assert!(self.pods.iter().all(|pod| pod.running() == 0));
    }

    /// One of Envoy's own counters or gauges.
    pub async fn stat(&self, name: &str) -> Option<u64> {
        self.envoy.stats().await.ok()?.get(name)
    }

    /// Returns the number of pods that the filter knows of.
    pub async fn pod_count(&self) -> Option<f64> {
        self.gauge_of("slo_router_pods").await
    }

    /// Returns `true` if the filter knows of any pods.
    pub async fn pods_known(&self) -> bool {
        self.pod_count().await.is_some_and(|pods| pods > 0.0)
    }

    /// Returns the number of times that a source gave something new.
    pub async fn source_updates(&self, source: &str) -> f64 {
        let labels = [("pool", "test"), ("source", source)];
        let metrics = self.envoy.prometheus().await.ok();
        metrics.and_then(|metrics| metrics.sum("slo_router_source_updates_total", &labels)).unwrap_or_default()
    }

    /// Returns the number of times that a source gave nothing for this reason.
    pub async fn source_errors(&self, reason: &str) -> f64 {
        let labels = [("pool", "test"), ("reason", reason)];
        let metrics = self.envoy.prometheus().await.ok();
        metrics.and_then(|metrics| metrics.sum("slo_router_source_errors_total", &labels)).unwrap_or_default()
    }

    /// One of the pool's gauges.
    pub async fn gauge_of(&self, name: &str) -> Option<f64> {
        self.envoy.prometheus().await.ok()?.sum(name, &[("pool", "test")])
    }
}
