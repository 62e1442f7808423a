//! A Webdis that never forgets: it holds the digests of all gateways but one, each newer with every look, and what that one tells.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use serde_json::json;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::pool::PodId;
use slo_router::shared::digest::Digest;

use super::Scene;
use crate::server::{ANY, Servers, serve};

/// The pool that the digests are of.
const POOL: &str = "test";

/// Requests on a pod, on average: near what one of six sustains.
const REQUESTS_PER_POD: f64 = 5.7;

/// On a thread of its own, which ends when this is dropped.
#[derive(Debug)]
pub struct Store {
    server: Servers,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    others: Vec<Digest>,
    /// The gateway that is measured has the last slot.
    own: Option<String>,
    looks: u64,
    look_bytes: usize,
}

// === impl Store ===

impl Store {
    /// Starts one that holds what the scene's other gateways run.
    ///
    /// # Errors
    /// Where no port can be bound or no thread started.
    pub fn start(scene: Scene) -> Result<Self> {
        let others = (1..scene.gateways).map(|gateway| digest(gateway, scene)).collect();
        let state = Arc::new(Mutex::new(State { others, own: None, looks: 0, look_bytes: 0 }));
        let server = Servers::listen([(ANY, Arc::clone(&state))], |listener, state| {
            serve(listener, move |request| answer(request, Arc::clone(&state)))
        })?;
        Ok(Self { server, state })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.addresses().first().copied().unwrap_or(ANY)
    }

    /// Returns the number of times that the gateway looked.
    pub fn looks(&self) -> u64 {
        with(&self.state, |state| state.looks)
    }

    /// Returns the number of bytes that its last look read.
    pub fn look_bytes(&self) -> usize {
        with(&self.state, |state| state.look_bytes)
    }
}

fn with<R>(state: &Mutex<State>, act: impl FnOnce(&mut State) -> R) -> R {
    act(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Returns what one of the others reports: requests are spread at random over gateways and pods.
fn digest(gateway: usize, scene: Scene) -> Digest {
    let mut rng = fastrand::Rng::with_seed(gateway as u64);
    let requests = (REQUESTS_PER_POD * scene.pods as f64 / scene.gateways as f64).round() as usize;
    let one = Load::of_one_in(6.0).unwrap_or(Load::CAPACITY);
    let mut digest = Digest { gateway: gateway as u64, ..Digest::default() };
    for _ in 0..requests {
        let pod = Ipv4Addr::from_bits(0x0a00_0000 + rng.u32(..u32::try_from(scene.pods).unwrap_or(u32::MAX)));
        digest.running.entry(PodId::of((pod, 8000).into())).or_default().charge(one);
    }
    digest
}

// === impl State ===

impl State {
    fn read(&mut self) -> String {
        self.looks += 1;
        let others = self.others.iter_mut().map(|digest| {
            digest.sequence += 1;
            Some(digest.encode(POOL))
        });
        let slots: Vec<Option<String>> = others.chain([self.own.clone()]).collect();
        let body = json!({ "MGET": slots }).to_string();
        self.look_bytes = body.len();
        body
    }

    /// `SET/key/value/PX/milliseconds`.
    fn write(&mut self, command: &str) -> String {
        self.own = command.split('/').nth(2).map(str::to_owned);
        json!({ "SET": [true, "OK"] }).to_string()
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_look = request.method() == Method::GET;
    let command = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    let body = with(&state, |state| if is_look { state.read() } else { state.write(&command) });
    Ok(Response::new(Full::new(body.into())))
}
