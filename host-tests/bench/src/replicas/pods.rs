//! Pods that slow down: up to so many requests run at full speed, beyond that all share it. They measure how long they ran
//! more than that.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::spawn;

/// The header that says what a request takes, in microseconds.
pub const WORK: &str = "x-work-us";

/// Precision of a pod's clock.
const STEP: Duration = Duration::from_millis(2);

/// Shorter than this, a pod is not overfull: a gateway hears of an answer's end before its pod does.
const BLINK: Duration = Duration::from_millis(5);

const ANSWER: &[u8] = br#"{"id":"c","object":"chat.completion","created":1764000000,"model":"llama","choices":[{"index":0,"message":{"role":"assistant","content":"Done."},"finish_reason":"stop"}],"usage":{"prompt_tokens":64,"total_tokens":128,"completion_tokens":64}}"#;

/// Excess of what ran on pods over what they sustain.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Excess {
    /// Seconds of pods that were overfull.
    pub seconds: f64,
    /// The same times by how much, as a share of a pod.
    pub pod_seconds: f64,
    /// The most at once on one pod, as a share of it.
    pub most: f64,
    /// The longest time that a pod was overfull without a break.
    pub longest_s: f64,
}

/// Pods on a thread of their own, which ends with this process.
#[derive(Debug)]
pub struct Pods {
    /// Addresses that they listen on.
    pub addresses: Vec<SocketAddr>,
    pods: Vec<Arc<Mutex<Pod>>>,
}

#[derive(Debug)]
struct Pod {
    fit: usize,
    jobs: Vec<Job>,
    at: Instant,
    overfull_since: Option<(Instant, usize)>,
    excess: Excess,
}

#[derive(Debug)]
struct Job {
    left_s: f64,
    done: oneshot::Sender<()>,
}

// === impl Pods ===

impl Pods {
    /// Starts so many, each of which sustains `fit` requests.
    ///
    /// # Errors
    /// Where no port can be bound or no thread started.
    pub fn start(count: usize, fit: u32) -> Result<Self> {
        let bind = || -> Result<StdListener> {
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listeners = (0..count).map(|_| bind()).collect::<Result<Vec<_>>>().context("cannot start the pods")?;
        let addresses = listeners.iter().map(|listener| Ok(listener.local_addr()?)).collect::<Result<_>>()?;
        let pods: Vec<_> = (0..count).map(|_| Arc::new(Mutex::new(Pod::new(fit as usize)))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served: Vec<_> = listeners.into_iter().zip(pods.iter().cloned()).collect();
        thread::Builder::new().name("pods".into()).spawn(move || {
            runtime.block_on(async {
                let pods: Vec<_> = served.iter().map(|(_, pod)| Arc::clone(pod)).collect();
                for (listener, pod) in served {
                    spawn(serve(listener, pod));
                }
                loop {
                    tokio::time::sleep(STEP).await;
                    pods.iter().for_each(|pod| with(pod, Pod::advance));
                }
            })
        })?;
        Ok(Self { addresses, pods })
    }

    /// Returns the excess so far of what ran over what they sustain.
    pub fn excess(&self) -> Excess {
        let excesses = self.pods.iter().map(|pod| with(pod, |pod| pod.excess));
        excesses.fold(Excess::default(), |sum, excess| Excess {
            seconds: sum.seconds + excess.seconds,
            pod_seconds: sum.pod_seconds + excess.pod_seconds,
            most: sum.most.max(excess.most),
            longest_s: sum.longest_s.max(excess.longest_s),
        })
    }
}

fn with<R>(pod: &Mutex<Pod>, act: impl FnOnce(&mut Pod) -> R) -> R {
    act(&mut pod.lock().unwrap_or_else(PoisonError::into_inner))
}

// === impl Pod ===

impl Pod {
    fn new(fit: usize) -> Self {
        Self { fit, jobs: Vec::new(), at: Instant::now(), overfull_since: None, excess: Excess::default() }
    }

    fn begin(&mut self, work: Duration) -> oneshot::Receiver<()> {
        self.advance();
        let (done, end) = oneshot::channel();
        self.jobs.push(Job { left_s: work.as_secs_f64(), done });
        self.note();
        end
    }

    /// Time passed since the last time.
    fn advance(&mut self) {
        let now = Instant::now();
        let passed_s = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        let beyond = self.jobs.len().saturating_sub(self.fit);
        if beyond > 0 {
            self.excess.seconds += passed_s;
            self.excess.pod_seconds += passed_s * beyond as f64 / self.fit as f64;
        }
        let speed = (self.fit as f64 / self.jobs.len().max(1) as f64).min(1.0);
        for job in &mut self.jobs {
            job.left_s -= passed_s * speed;
        }
        for job in self.jobs.extract_if(.., |job| job.left_s <= 0.0 || job.done.is_closed()) {
            // Where the client left, nobody waits for it.
            let _ = job.done.send(());
        }
        self.note();
    }

    /// Follows how long it is overfull, and how much.
    fn note(&mut self) {
        let beyond = self.jobs.len().saturating_sub(self.fit);
        let Some((since, most)) = self.overfull_since else {
            self.overfull_since = (beyond > 0).then_some((self.at, beyond));
            return;
        };
        if beyond > 0 {
            self.overfull_since = Some((since, most.max(beyond)));
            return;
        }
        self.overfull_since = None;
        let lasted = self.at.duration_since(since);
        if lasted >= BLINK {
            self.excess.longest_s = self.excess.longest_s.max(lasted.as_secs_f64());
            self.excess.most = self.excess.most.max(most as f64 / self.fit as f64);
        }
    }
}

async fn serve(listener: StdListener, pod: Arc<Mutex<Pod>>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let pod = Arc::clone(&pod);
        spawn(async move {
            drop(stream.set_nodelay(true));
            let service = service_fn(move |request| answer(request, Arc::clone(&pod)));
            // Ends with an error where Envoy is stopped.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(request: Request<Incoming>, pod: Arc<Mutex<Pod>>) -> Result<Response<Full<Bytes>>> {
    let work_us = request.headers().get(WORK).context("no work")?.to_str()?.parse()?;
    request.into_body().collect().await?;
    let end = with(&pod, |pod| pod.begin(Duration::from_micros(work_us)));
    end.await?;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
