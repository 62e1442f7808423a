//! One script, run on this host and on a real Envoy.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use wasm_host::{CallAnswer, Forwarded, Headers, Retire, Route, Stream, Thread, UpstreamEvent, What, World};

use crate::envoy::{Envoy, Setup};
use crate::support::{builder, ms};

/// Steps of a scenario, one after the other.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request without a body; path and script.
    Get(&'static str, &'static str),
    /// A request with a body in pieces.
    Post(&'static str, &'static [&'static str]),
    /// The client of the request of that number goes away.
    Leave(usize),
    /// Time passes.
    Wait(Duration),
    /// The filter gets another configuration; the listener then drains for two seconds.
    Update(&'static str),
}

/// Outcome of the steps.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Events that the probe saw on the main thread.
    pub main: Vec<String>,
    /// Events that the probe saw on the worker.
    pub worker: Vec<String>,
    /// The status of each request's answer, if one came.
    pub statuses: Vec<Option<u16>>,
    /// Bytes of body that the upstream got, over all requests.
    pub upstream_bytes: usize,
}

/// Between steps, long enough for ticks and queues, short enough for timeouts.
const PAUSE: Duration = Duration::from_millis(60);

/// Time after which a request to `/late` is answered: after its body has come.
const LATE: Duration = Duration::from_millis(400);

fn is_late(path: &str) -> bool {
    path.starts_with("/late")
}

/// Returns the time that the last answers need after the last step.
fn rest(steps: &[Step]) -> Duration {
    let late = |step: &Step| matches!(step, Step::Post(..)) || matches!(step, Step::Get(path, _) if is_late(path));
    if steps.iter().any(late) { LATE + PAUSE } else { Duration::ZERO }
}

// === on this host ===

fn route(request: &Forwarded<'_>) -> Route {
    let path = request.headers.get(":path").unwrap_or_default();
    if path.starts_with("/none") {
        return Route::NoHealthyUpstream;
    }
    if path.starts_with("/breaking") {
        return Route::Script(vec![(ms(1), UpstreamEvent::Reset)]);
    }
    let headers = Headers::from([(":status", "200"), ("content-length", "2")]);
    let after = if is_late(path) { LATE } else { ms(1) };
    Route::Script(vec![
        (after, UpstreamEvent::Headers(headers, false)),
        (after, UpstreamEvent::Body(b"ok".to_vec(), false)),
        (after, UpstreamEvent::Body(Vec::new(), true)),
    ])
}

/// Runs the steps in virtual time.
pub fn on_host(setup: Setup, steps: &[Step]) -> Outcome {
    let world = builder(setup.configuration)
        .allow_on_headers_stop_iteration(setup.allow_on_headers_stop_iteration)
        .failure_policy(setup.policy)
        .timing(|timing| {
            timing.idle_timeout = setup.idle_timeout;
            timing.body_limit = setup.body_limit;
        })
        .upstream(route)
        .cluster("answering", |_| CallAnswer::response(ms(1), 200, "ok"))
        .cluster("silent", |_| CallAnswer::Silence)
        .cluster("breaking", |_| CallAnswer::Broken { after: ms(1) })
        .cluster("cutting", |_| CallAnswer::Reset { after: ms(1) })
        .cluster("none", |_| CallAnswer::NoHosts)
        .build()
        .unwrap();
    let mut streams: Vec<Stream> = Vec::new();
    for step in steps {
        match step {
            Step::Get(path, script) => {
                streams.push(world.worker(0).request().to("GET", path).header("x-script", script).send());
            }
            Step::Post(script, pieces) => streams.push(post(&world, script, pieces)),
            Step::Leave(number) => {
                streams[*number].client_reset();
            }
            Step::Wait(time) => world.advance(*time),
            Step::Update(configuration) => world.update(*configuration, Retire::After(ms(2_000))).unwrap(),
        }
        world.advance(PAUSE);
    }
    world.advance(rest(steps));
    let seen = |main: bool| {
        let of_thread = |event: &wasm_host::Event| (event.thread == Thread::Main) == main;
        let lines = world.events().into_iter().filter(of_thread).filter_map(|event| match event.what {
            What::Log(_, line) => Some(line.strip_prefix("ev ")?.to_owned()),
            _ => None,
        });
        lines.collect()
    };
    let statuses = streams.iter().map(|stream| stream.response().map(|response| response.status)).collect();
    let upstream_bytes = streams.iter().map(|stream| stream.upstream_body().len()).sum();
    Outcome { main: seen(true), worker: seen(false), statuses, upstream_bytes }
}

fn post(world: &World, script: &str, pieces: &[&str]) -> Stream {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let request = world.worker(0).request().to("POST", "/late").header("x-script", script);
    let stream = request.header("content-length", &length.to_string()).open().send();
    for piece in pieces {
        world.advance(PAUSE);
        stream.send(*piece);
    }
    stream.send_last("");
    stream
}

// === on Envoy ===

/// Runs the steps over sockets.
pub fn on_envoy(setup: Setup, steps: &[Step]) -> Outcome {
    let bytes = Arc::new(AtomicUsize::new(0));
    let clusters = [
        ("answering", upstream(&bytes, answer)),
        ("silent", upstream(&bytes, |_, _| Ok(()))),
        ("breaking", upstream(&bytes, |_, peer| peer.shutdown(Shutdown::Both))),
        ("cutting", upstream(&bytes, cut)),
    ];
    let mut envoy = Envoy::start(setup, clusters);
    envoy.settle();
    let mut clients: Vec<Option<TcpStream>> = Vec::new();
    for step in steps {
        match step {
            Step::Get(path, script) => {
                let mut client = TcpStream::connect(envoy.address).unwrap();
                write!(client, "GET {path} HTTP/1.1\r\nhost: gateway\r\nx-script: {script}\r\n\r\n").unwrap();
                clients.push(Some(client));
            }
            Step::Post(script, pieces) => {
                let length: usize = pieces.iter().map(|piece| piece.len()).sum();
                let mut client = TcpStream::connect(envoy.address).unwrap();
                let head = format!(
                    "POST /late HTTP/1.1\r\nhost: gateway\r\ncontent-length: {length}\r\nx-script: {script}\r\n\r\n"
                );
                client.write_all(head.as_bytes()).unwrap();
                for piece in *pieces {
                    thread::sleep(PAUSE);
                    client.write_all(piece.as_bytes()).unwrap();
                }
                clients.push(Some(client));
            }
            Step::Leave(number) => clients[*number] = None,
            Step::Wait(time) => thread::sleep(*time),
            Step::Update(configuration) => envoy.update(configuration),
        }
        thread::sleep(PAUSE);
    }
    thread::sleep(rest(steps));
    envoy.settle();
    // Read first: clients that go end their streams.
    let [main, worker] = envoy.seen();
    let statuses = clients.into_iter().map(|client| client.and_then(status)).collect();
    Outcome { main, worker, statuses, upstream_bytes: bytes.load(Ordering::SeqCst) }
}

/// The status of what has come by now.
fn status(mut client: TcpStream) -> Option<u16> {
    client.set_nonblocking(true).unwrap();
    let mut head = [0; 4_096];
    let length = client.read(&mut head).ok()?;
    std::str::from_utf8(&head[..length]).ok()?.split(' ').nth(1)?.parse().ok()
}

fn answer(head: &str, peer: &TcpStream) -> std::io::Result<()> {
    let mut peer = peer.try_clone()?;
    let delay = if head.split(' ').nth(1).is_some_and(is_late) { LATE } else { Duration::ZERO };
    // Beside the reading, so that a body is taken in meanwhile.
    thread::spawn(move || {
        thread::sleep(delay);
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    });
    Ok(())
}

fn cut(_: &str, mut peer: &TcpStream) -> std::io::Result<()> {
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")?;
    peer.shutdown(Shutdown::Both)
}

/// A server that does `answer` with the head of each request, and counts the bytes of the bodies.
fn upstream(
    bytes: &Arc<AtomicUsize>,
    answer: impl Fn(&str, &TcpStream) -> std::io::Result<()> + Copy + Send + 'static,
) -> SocketAddr {
    let bytes = Arc::clone(bytes);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let bytes = Arc::clone(&bytes);
            thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(length @ 1..) = peer.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    // What comes without a head is the rest of a body.
                    let (head, body) = text.split_once("\r\n\r\n").unwrap_or(("", &text));
                    bytes.fetch_add(body.len(), Ordering::SeqCst);
                    if !head.is_empty() && answer(head, &peer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
