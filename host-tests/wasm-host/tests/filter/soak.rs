//! Minutes of everything at once, drawn by seeds: nothing may leak, trap or overfill a pod.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use wasm_host::{CallAnswer, NotificationFault, Retire, Stream, World};

use crate::support::{
    DEPLOYMENT, Gateway, Sent, Shared, all_leave, builder, document, entry, filter, ms, on_pods, profile,
};

const FIT: u32 = 3;
const PODS: usize = 3;
const STEPS: usize = 2_500;

/// The run of one seed.
struct Soak {
    world: World,
    workers: usize,
    random: fastrand::Rng,
    /// Streams that have not ended, with the worker that each is on.
    streams: Vec<(usize, Stream)>,
    sent: u64,
    ended: u64,
    generation: u32,
}

/// Pods and profiles are fetched; what is fetched is good or not, but says the same whenever it is good.
fn config(generation: u32) -> Value {
    let mut config = filter(0, FIT);
    let source = |cluster| json!({ "cluster": cluster, "path": "/", "interval": "1s", "timeout": "500ms" });
    config["profiles"] = json!({ "correct": false, "inline": [profile(DEPLOYMENT, FIT)], "http": source("profiles") });
    config["pods"] = json!({ "static": [entry(0, DEPLOYMENT)], "http": source("pods") });
    config["queue"] = json!({ "max_wait": "8s", "max_requests": 60 + generation % 2 });
    config["allowed_strategies"] = json!(["slo-pack-load", "slo-least-load-pulling"]);
    config
}

impl Soak {
    fn new(workers: usize, seed: u64) -> Self {
        let random = Rc::new(RefCell::new(fastrand::Rng::with_seed(seed + 1_000)));
        let answer = move |good: String| {
            let random = Rc::clone(&random);
            move |_: &wasm_host::Call| {
                let mut random = random.borrow_mut();
                let after = ms(random.u64(1..700));
                match random.u32(..8) {
                    0 => CallAnswer::Silence,
                    1 => CallAnswer::NoHosts,
                    2 => CallAnswer::Reset { after },
                    3 => CallAnswer::response(after, 500, "{}"),
                    4 => CallAnswer::response(after, 200, "<html>"),
                    _ => CallAnswer::response(after, 200, good.clone()),
                }
            }
        };
        let pods = json!({ "pods": (1..PODS).map(|pod| entry(pod, DEPLOYMENT)).collect::<Vec<_>>() }).to_string();
        let world = builder(&config(0))
            .workers(workers)
            .seed(seed)
            .cluster("pods", answer(pods))
            .cluster("profiles", answer(document(&[profile(DEPLOYMENT, FIT)])))
            .build()
            .unwrap();
        let random = fastrand::Rng::with_seed(seed);
        Self { world, workers, random, streams: Vec::new(), sent: 0, ended: 0, generation: 0 }
    }

    fn send(&mut self) {
        let worker = self.random.usize(..self.workers);
        let chat = self.world.chat(worker);
        let stream = match self.random.u32(..12) {
            0 => chat.header("routing-strategy", "slo-pack-load").send(),
            1 => chat.header("routing-strategy", "nonsense").send(),
            2 => chat.header("x-slo-ttft-ms", &self.random.u32(100..9_000).to_string()).send(),
            3 => chat.body("{").send(),
            4 => self.world.worker(worker).request().to("GET", "/v1/models").send(),
            5 => chat.chunks([]).open().send(),
            _ => chat.header("x-slo-e2e-ms", &self.random.u32(500..30_000).to_string()).send(),
        };
        self.sent += 1;
        self.streams.push((worker, stream));
    }

    /// Something happens to one of the streams.
    fn touch(&mut self) {
        let Some(index) = (!self.streams.is_empty()).then(|| self.random.usize(..self.streams.len())) else { return };
        let stream = &self.streams[index].1;
        let _: &Stream = if stream.is_paused() {
            match self.random.u32(..4) {
                0 => stream.client_reset(),
                1 => stream.send(" "),
                _ => stream.send_last(r#"{"model": "m", "messages": []}"#),
            }
        } else if stream.response().is_some() {
            match self.random.u32(..6) {
                0 => stream.client_reset(),
                1 => stream.upstream_reset(),
                2 => stream.trailers([("x", "y")]),
                3 => stream.chunk("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"),
                _ => stream.end(),
            }
        } else {
            match self.random.u32(..12) {
                0 => stream.client_reset(),
                1 => stream.upstream_reset(),
                2 => stream.respond(503, []).body(""),
                3 => stream.respond_without_body(204, []),
                4 => stream.respond(200, [("content-type", "text/event-stream")]),
                _ => {
                    stream.finish();
                    stream
                }
            }
        };
    }

    /// Something happens to the proxy.
    fn disturb(&mut self) {
        let worker = self.random.usize(..self.workers);
        match self.random.u32(..8) {
            0 => self.kill(worker),
            1 => self.world.worker(worker).stall(ms(self.random.u64(1..900))),
            2 => self.world.fault_notifications(NotificationFault::Lost, self.random.usize(..20)),
            3 => self.world.fault_notifications(NotificationFault::Doubled, self.random.usize(..20)),
            4 => self.world.step_wall_clock(ms(self.random.u64(..10_000_000))),
            5 => self.world.step_wall_clock_back(ms(self.random.u64(..10_000_000))),
            6 => {
                self.generation += 1;
                self.world.update(config(self.generation).to_string(), Retire::AfterLastStream).unwrap();
            }
            _ => assert!(self.world.update("{}", Retire::AfterLastStream).is_err()),
        }
    }

    /// The clients of the dead VM's requests leave.
    fn kill(&mut self, worker: usize) {
        self.world.worker(worker).kill();
        all_leave(self.streams.iter().filter(|(on, _)| *on == worker).map(|(_, stream)| stream));
    }

    /// Sees that no pod has more than fits, of what the filter placed, and forgets what has ended.
    fn check(&mut self) {
        let before = self.streams.len();
        self.streams.retain(|(_, stream)| !stream.is_ended());
        self.ended += (before - self.streams.len()) as u64;
        let scheduled =
            |stream: &&Stream| stream.upstream_headers().is_some_and(|headers| headers.get(":method") == Some("POST"));
        let placed: Vec<Stream> = self.streams.iter().map(|(_, stream)| stream).filter(scheduled).cloned().collect();
        let on_pods = on_pods(&placed);
        assert!(on_pods.values().all(|count| *count <= FIT), "{on_pods:?}");
    }

    fn run(&mut self) {
        for step in 0..STEPS {
            match self.random.u32(..100) {
                0 => self.disturb(),
                1..35 => self.send(),
                35..75 => self.touch(),
                _ => self.world.advance(ms(self.random.u64(..120))),
            }
            self.check();
            if step % 500 == 0 {
                self.assert_quiet();
            }
        }
        // Bodies that never came leave with their clients; all others are answered.
        for _ in 0..60 {
            for (_, stream) in self.streams.iter().filter(|(_, stream)| stream.is_running()) {
                if stream.response().is_none() {
                    stream.finish();
                } else {
                    stream.end();
                }
            }
            self.world.advance(ms(200));
            self.check();
        }
        all_leave(self.streams.iter().map(|(_, stream)| stream));
        self.check();
        assert_eq!((self.ended, self.streams.len()), (self.sent, 0));
        self.world.assert_idle();
        assert!(Shared(&self.world).seats().len() <= self.workers);
        self.assert_quiet();
    }

    /// Nothing is complained of but what was made to fail.
    fn assert_quiet(&self) {
        let expected = |line: &String| {
            // The last of them is of an upload that is slow and the first in its VM.
            [
                "slo-router: pods: ",
                "slo-router: profiles: ",
                "slo-router: configuration refused: ",
                "slo-router: pod 10.0.0.",
                "slo-router: no request body came",
            ]
            .iter()
            .any(|start| line.starts_with(start))
        };
        let complaints: Vec<_> = self.world.complaints().into_iter().filter(|line| !expected(line)).collect();
        assert_eq!(complaints, Vec::<String>::new());
        self.world.clear_history();
    }
}

#[test]
fn nothing_leaks_traps_or_overfills_a_pod() {
    for seed in 0..12 {
        let workers = [1, 2, 4, 8][seed as usize % 4];
        println!("seed {seed}, {workers} workers");
        Soak::new(workers, seed).run();
    }
}
