//! Decisions of a gateway, in order.

use std::fmt;
use std::time::Duration;

use laboratory::simulation::gateway::{Gateway, RequestNumber, Verdict};
use laboratory::simulation::record::START;
use laboratory::simulation::scenario::Demand;
use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

/// Number of lines that a difference shows before and after it.
const NEIGHBOURS: usize = 3;

/// Decision on a request, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub at: Instant,
    pub request: RequestNumber,
    pub waited: Duration,
    pub what: What,
}

/// Decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was sent to the pod at this position.
    Placed(usize),
    Refused(RefusalReason),
}

/// A gateway whose decisions are written down.
pub struct Logged<G> {
    gateway: G,
    arrived: Vec<Instant>,
    log: Vec<Decision>,
}

/// Finds where two logs first differ, with the lines around; `None` where they are the same.
pub fn difference(native: &[Decision], compiled: &[Decision]) -> Option<String> {
    let same = native.iter().zip(compiled).take_while(|(one, other)| one == other).count();
    if same == native.len() && same == compiled.len() {
        return None;
    }
    let lines = |name: &str, log: &[Decision]| {
        let shown = log.iter().enumerate().skip(same.saturating_sub(NEIGHBOURS)).take(2 * NEIGHBOURS + 1);
        let mark = |index: usize| if index == same { '>' } else { ' ' };
        let lines = shown.map(|(index, decision)| format!("{} {:>6}  {decision}\n", mark(index), index + 1));
        format!("{name}, {} decisions:\n{}", log.len(), lines.collect::<String>())
    };
    Some(format!("line {} differs\n{}{}", same + 1, lines("native", native), lines("compiled", compiled)))
}

// === impl What ===

impl What {
    pub fn pod(self) -> Option<usize> {
        match self {
            Self::Placed(pod) => Some(pod),
            Self::Refused(_) => None,
        }
    }

    pub fn refusal(self) -> Option<RefusalReason> {
        match self {
            Self::Placed(_) => None,
            Self::Refused(reason) => Some(reason),
        }
    }
}

// === impl Decision ===

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, request, waited, what } = self;
        let at_s = at.since(START).as_secs_f64();
        write!(f, "{at_s:>11.6} s  request {request:>5}  {what:?} after {:.6} s", waited.as_secs_f64())
    }
}

// === impl Logged ===

impl<G> Logged<G> {
    pub fn new(gateway: G) -> Self {
        Self { gateway, arrived: Vec::new(), log: Vec::new() }
    }

    pub fn into_log(self) -> Vec<Decision> {
        self.log
    }

    fn note(&mut self, verdicts: Vec<Verdict>, now: Instant) -> Vec<Verdict> {
        for verdict in &verdicts {
            let (request, what) = match *verdict {
                Verdict::Place(request, pod, _) => (request, What::Placed(pod)),
                Verdict::Refuse(request, reason) => (request, What::Refused(reason)),
            };
            let waited = now.since(self.arrived[request as usize]);
            self.log.push(Decision { at: now, request, waited, what });
        }
        verdicts
    }
}

impl<G: Gateway> Gateway for Logged<G> {
    fn arrive(&mut self, id: RequestNumber, demand: &Demand, now: Instant) -> Vec<Verdict> {
        // Requests come in the order of their numbers.
        self.arrived.push(now);
        let verdicts = self.gateway.arrive(id, demand, now);
        self.note(verdicts, now)
    }

    fn token(&mut self, id: RequestNumber, output_tokens: u32, now: Instant) {
        self.gateway.token(id, output_tokens, now);
    }

    fn finish(&mut self, id: RequestNumber, outcome: Outcome, now: Instant) {
        self.gateway.finish(id, outcome, now);
    }

    fn next_event_at(&self) -> Option<Instant> {
        self.gateway.next_event_at()
    }

    fn advance(&mut self, now: Instant) -> Vec<Verdict> {
        let verdicts = self.gateway.advance(now);
        self.note(verdicts, now)
    }

    fn keeps_capacity(&self) -> bool {
        self.gateway.keeps_capacity()
    }

    fn leftovers(&mut self, now: Instant) -> Option<String> {
        self.gateway.leftovers(now)
    }
}

#[test]
fn the_first_line_that_differs_is_marked_among_its_neighbours() {
    let decision = |request, pod| Decision {
        at: START.after(Duration::from_millis(u64::from(request))),
        request,
        waited: Duration::ZERO,
        what: What::Placed(pod),
    };
    let native: Vec<_> = (0..20).map(|request| decision(request, 0)).collect();
    let mut compiled = native.clone();
    assert_eq!(difference(&native, &compiled), None);
    assert!(difference(&native, &compiled[..19]).is_some_and(|text| text.contains("line 20")));
    compiled[9] = decision(9, 3);
    let text = difference(&native, &compiled).unwrap();
    let marked: Vec<&str> = text.lines().filter(|line| line.starts_with('>')).collect();
    assert!(marked.len() == 2 && marked[0].contains("Placed(0)") && marked[1].contains("Placed(3)"), "{text}");
    assert_eq!(text.lines().count(), 1 + 2 * (1 + 7), "{text}");
}
