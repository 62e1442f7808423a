//! The compiled filter as a gateway of the simulation.

use std::collections::HashMap;
use std::time::Duration;

use laboratory::simulation::gateway::{Gateway, RequestNumber, Verdict};
use laboratory::simulation::scenario::{Demand, Pod};
use laboratory::simulation::shipped::{self, exchange};
use slo_router::scheduling::load::Load;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;
use wasm_host::{Event, RequestBuilder, Stream, Thread, What, World};

use crate::program;

/// See the module.
pub struct Compiled {
    world: World,
    workers: usize,
    /// Position of each pod, by its address.
    pods: HashMap<String, usize>,
    /// By worker and context.
    numbers: HashMap<(usize, u32), RequestNumber>,
    open: HashMap<RequestNumber, Open>,
}

/// A request that has not ended.
struct Open {
    stream: Stream,
    streamed: bool,
    arrived: Instant,
    placed: Option<Instant>,
}

// === impl Compiled ===

impl Compiled {
    /// So many workers of a proxy with this configuration, whose clock shows `now`.
    pub fn new(configuration: &str, pods: &[Pod], workers: usize, seed: u64, now: Instant) -> Self {
        let seeds: Vec<u64> = shipped::seeds(seed).take(workers).collect();
        let draws = move |thread, bytes: &mut [u8]| {
            // The main thread's VM serves nobody.
            let drawn = if let Thread::Worker(worker) = thread { seeds[worker] } else { 0 };
            bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&drawn.to_le_bytes()[..chunk.len()]));
        };
        let world = program::builder(&configuration).workers(workers).clock(clock(now)).draws(draws);
        // A long answer would leave a timer in the agenda with each token.
        let world = world.timing(|timing| timing.idle_timeout = Duration::MAX).build().unwrap();
        let pods = pods.iter().map(|pod| (pod.address().to_string(), pod.position)).collect();
        Self { world, workers, pods, numbers: HashMap::new(), open: HashMap::new() }
    }

    /// Returns what the filter has decided since the last call.
    fn verdicts(&mut self, now: Instant) -> Vec<Verdict> {
        let events = self.world.events();
        let verdicts = events.iter().filter_map(|event| self.verdict(event, now)).collect();
        self.world.clear_history();
        verdicts
    }

    fn verdict(&mut self, event: &Event, now: Instant) -> Option<Verdict> {
        let Thread::Worker(worker) = event.thread else { return None };
        if let What::Trapped(why) = &event.what {
            panic!("worker {worker}: {why}");
        }
        let number = *self.numbers.get(&(worker, event.context))?;
        match event.what {
            What::Forwarded => {
                let open = self.open.get_mut(&number)?;
                open.placed = Some(now);
                let headers = open.stream.upstream_headers()?;
                let pod = headers.get("x-gateway-destination-endpoint").expect("the filter names a pod");
                Some(Verdict::Place(number, self.pods[pod], Load::ZERO))
            }
            // Its own reply passes the filter. What follows from the rest of the pass nests in that, and comes before the stream's end.
            What::Callback("proxy_on_response_headers") => {
                let reply = self.open.get(&number)?.stream.local_reply()?;
                let reason = reply.headers.get("x-slo-router-reason").and_then(exchange::refusal);
                Some(Verdict::Refuse(number, reason.unwrap_or_else(|| panic!("the filter refuses by {reply:?}"))))
            }
            What::Ended(_) => {
                self.open.remove(&number);
                None
            }
            What::Callback(_) | What::Log(..) | What::Trapped(_) => None,
        }
    }
}

impl Gateway for Compiled {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict> {
        self.world.advance_up_to(clock(now));
        let worker = id as usize % self.workers;
        let stream = request(self.world.worker(worker).request(), demand).send();
        self.numbers.insert((worker, stream.context()), id);
        self.open.insert(id, Open { stream, streamed: demand.answering.streamed, arrived: now, placed: None });
        self.verdicts(now)
    }

    fn token(&mut self, id: RequestNumber, output_tokens: u32, now: Instant) {
        self.world.advance_up_to(clock(now));
        let Open { stream, streamed, arrived, placed } = &self.open[&id];
        if output_tokens == 1 {
            stream.respond(200, [("content-type", exchange::content_type(*streamed))]);
            let headers = stream.response().unwrap().headers;
            let waited_ms = placed.unwrap().since(*arrived).as_secs_f64() * 1e3;
            let told_ms: f64 = headers.get("x-slo-router-wait-ms").unwrap().parse().unwrap();
            // Told in tenths.
            assert!((told_ms - waited_ms).abs() < 0.0501, "{told_ms} ms told, {waited_ms} ms waited");
        }
        stream.chunk(exchange::TOKEN);
    }

    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        self.world.advance_up_to(clock(now));
        let Open { stream, streamed, .. } = &self.open[&id];
        stream.body(exchange::end(&outcome, *streamed));
        assert_eq!(self.verdicts(now), [], "nothing may be forwarded where a stream ends");
    }

    fn next_event_at(&self) -> Option<Instant> {
        self.world.next_at().map(|at| Instant::from_micros(u64::try_from(at.as_micros()).unwrap()))
    }

    fn advance(&mut self, now: Instant) -> Vec<Verdict> {
        self.world.advance_up_to(clock(now));
        self.world.advance(Duration::ZERO);
        self.verdicts(now)
    }

    fn leftovers(&mut self, _now: Instant) -> Option<String> {
        // Longer than from one survey to the next.
        self.world.advance(Duration::from_secs(1));
        let gauges = ["waiting", "in_flight"].map(|of| self.world.gauge(&format!("slo_router.{of}_pool=simulation_")));
        (gauges != [Some(0); 2] || !self.open.is_empty()).then(|| format!("the gauges (waiting, running) {gauges:?}"))
    }
}

fn clock(now: Instant) -> Duration {
    Duration::from_micros(now.as_micros())
}

/// Makes the request that the simulation's own gateway would get.
fn request(builder: RequestBuilder, demand: &Demand) -> RequestBuilder {
    let builder = builder.to("POST", exchange::PATH);
    let headers = exchange::headers(demand);
    headers.fold(builder, |builder, (name, value)| builder.header(name, &value)).body(exchange::body(demand))
}
