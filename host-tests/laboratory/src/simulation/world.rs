//! The discrete-event loop. Time jumps to what happens next: servers first, then the gateway's own events, then
//! arrivals; so a run depends on its inputs alone. It goes on until every request has ended, and checks on the way what no
//! policy may ever break.

use slo_router::scheduling::load::Load;
use slo_router::scheduling::time::Instant;

use crate::completed::Completed;
use crate::engine::{Event, EventKind, SubmitError};
use crate::simulation::gateway::{Gateway, RequestNumber, Verdict};
use crate::simulation::record::{Fate, Record, START};
use crate::simulation::scenario::Demand;
use crate::simulation::server::Server;

/// Violation of an invariant that no run may break.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// More than a pod's capacity was placed on it.
    #[error("pod {pod} held {share:.3} of its capacity at {at:?}")]
    AboveCapacity {
        /// Position of the pod.
        pod: usize,
        /// Share of its capacity that it held.
        share: f64,
        /// Instant of the violation.
        at: Instant,
    },
    /// A verdict for a request that did not wait.
    #[error("a verdict for request {id}, which does not wait but is {fate:?}")]
    NotWaiting {
        /// Its number.
        id: RequestNumber,
        /// State that it is in.
        fate: Fate,
    },
    /// A request never ended.
    #[error("request {0} never ended")]
    Unended(RequestNumber),
    /// The gateway holds something after the last request.
    #[error("after the last request: {0}")]
    Leftovers(String),
    /// A pod cannot serve a request of the workload.
    #[error("pod {pod} cannot serve request {id}: {error}")]
    Unservable {
        /// Position of the pod.
        pod: usize,
        /// The request.
        id: RequestNumber,
        /// Reason that it cannot.
        error: SubmitError,
    },
}

/// Result of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// In the order of arrival.
    pub records: Vec<Record>,
    /// Requests in the system, waiting or running, integrated over time: request-seconds.
    pub request_seconds: f64,
}

struct World<'a> {
    now: Instant,
    records: Vec<Record>,
    servers: Vec<Box<dyn Server>>,
    loads: Vec<Load>,
    gateway: &'a mut dyn Gateway,
    in_system: u32,
    request_seconds: f64,
}

/// Runs `demands`, in order of time, to the last end.
///
/// # Errors
/// As soon as an invariant is broken.
pub fn run(demands: &[Demand], servers: Vec<Box<dyn Server>>, gateway: &mut dyn Gateway) -> Result<Run, Violation> {
    let record = |&Demand { arrival, slo, answering }: &Demand| Record {
        arrival,
        slo,
        answering,
        expected_cached_tokens: None,
        fate: Fate::Waiting,
    };
    let records = demands.iter().map(record).collect();
    let loads = vec![Load::ZERO; servers.len()];
    let mut world = World { now: START, records, servers, loads, gateway, in_system: 0, request_seconds: 0.0 };
    let mut arrived = 0;
    while arrived < demands.len() || world.in_system > 0 {
        let due = demands.get(arrived).map(|demand| START.after(demand.arrival.at));
        let own = world.servers.iter().filter_map(|server| server.next_event_at()).chain(world.gateway.next_event_at());
        let Some(next) = own.chain(due).min() else { break };
        world.pass_time(next);
        world.advance_servers()?;
        world.advance_gateway()?;
        if due.is_some_and(|due| due <= next) {
            world.arrive(arrived)?;
            arrived += 1;
        }
    }
    world.end()
}

// === impl World ===

impl World<'_> {
    fn pass_time(&mut self, to: Instant) {
        self.request_seconds += f64::from(self.in_system) * to.since(self.now).as_secs_f64();
        self.now = to;
    }

    fn arrive(&mut self, position: usize) -> Result<(), Violation> {
        self.in_system += 1;
        let Record { arrival, slo, answering, .. } = self.records[position];
        self.gateway.observe(arrival.prompt(), &self.servers);
        let verdicts = self.gateway.arrive(position as RequestNumber, &Demand { arrival, slo, answering }, self.now);
        self.carry_out(verdicts)
    }

    fn advance_gateway(&mut self) -> Result<(), Violation> {
        while self.gateway.next_event_at().is_some_and(|at| at <= self.now) {
            let verdicts = self.gateway.advance(self.now);
            self.carry_out(verdicts)?;
        }
        Ok(())
    }

    fn advance_servers(&mut self) -> Result<(), Violation> {
        for pod in 0..self.servers.len() {
            if self.servers[pod].next_event_at().is_some_and(|at| at <= self.now) {
                for event in self.servers[pod].advance(self.now) {
                    self.note(event);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, Event { id, kind, at }: Event) {
        let record = &mut self.records[id as usize];
        let since_arrival = at.since(record.arrived_at());
        let Fate::Running { pod, load, wait, ttft } = &mut record.fate else { return };
        match kind {
            EventKind::Token { n } if record.answering.streamed => {
                ttft.get_or_insert(since_arrival);
                self.gateway.token(id as RequestNumber, n, at);
            }
            EventKind::Token { .. } | EventKind::Preempted => {}
            EventKind::Finished { cached_tokens } => {
                self.loads[*pod] = self.loads[*pod].minus(*load);
                let ttft = ttft.unwrap_or(since_arrival);
                let answer = Completed { ttft, e2e: since_arrival, output_tokens: record.arrival.output_tokens };
                record.fate = Fate::Completed { pod: *pod, wait: *wait, answer, cached_tokens };
                self.in_system -= 1;
                let outcome = self.records[id as usize].outcome(answer);
                self.gateway.finish(id as RequestNumber, outcome, at);
            }
        }
    }

    fn carry_out(&mut self, verdicts: Vec<Verdict>) -> Result<(), Violation> {
        for verdict in verdicts {
            let id = verdict.request();
            let record = &mut self.records[id as usize];
            if record.fate != Fate::Waiting {
                return Err(Violation::NotWaiting { id, fate: record.fate });
            }
            match verdict {
                Verdict::Place(_, pod, load) => self.place(id, pod, load)?,
                Verdict::Refuse(_, reason) => {
                    record.fate = Fate::Refused { reason, wait: self.now.since(record.arrived_at()) };
                    self.in_system -= 1;
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, id: RequestNumber, pod: usize, load: Load) -> Result<(), Violation> {
        let record = &mut self.records[id as usize];
        let arrival = record.arrival;
        record.expected_cached_tokens = self.gateway.expected_cached_tokens(id);
        record.fate = Fate::Running { pod, load, wait: self.now.since(record.arrived_at()), ttft: None };
        self.loads[pod] += load;
        if self.gateway.keeps_capacity() && self.loads[pod] > Load::CAPACITY {
            return Err(Violation::AboveCapacity { pod, share: self.loads[pod].as_share(), at: self.now });
        }
        self.servers[pod]
            .submit(id.into(), arrival.prompt(), arrival.output_tokens, self.now)
            .map_err(|error| Violation::Unservable { pod, id, error })
    }

    fn end(self) -> Result<Run, Violation> {
        let unended = |record: &Record| matches!(record.fate, Fate::Waiting | Fate::Running { .. });
        if let Some(id) = self.records.iter().position(unended) {
            return Err(Violation::Unended(id as RequestNumber));
        }
        if let Some(leftovers) = self.gateway.leftovers(self.now) {
            return Err(Violation::Leftovers(leftovers));
        }
        Ok(Run { records: self.records, request_seconds: self.request_seconds })
    }
}
