//! Pools of AIBrix's sample deployments, and one VM that schedules on them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use slo_router::dispatcher::{Action, Dispatcher, End, Placement, RefusalReason, Settings};
use slo_router::learning::{Prediction, PredictionKind};
use slo_router::scheduling::policies::{Preferences, least_request, pull};
use slo_router::scheduling::pool::{Model, PodSpec, Pool, ProfileEntry};
use slo_router::scheduling::prefix::PrefixMode;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::queue::LatePolicy;
use slo_router::scheduling::request::{Arrival, Assessment, RequestId};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;
use slo_router::scheduling::time::Instant;
use slo_router::shared::memory::Memory;

/// Long enough after the clock's zero that nothing lies before it.
pub const START: Instant = Instant::from_micros(3_600_000_000);

/// Deployments by name, number of pods and profile; the p-th pod of the d-th is `1.0.d.p:8000`.
pub fn pool(deployments: &[(&str, u8, Option<Profile>)]) -> Rc<Pool> {
    let pods = deployments.iter().enumerate().flat_map(|(d, (name, pods, _))| {
        (1..=*pods).map(move |p| PodSpec {
            address: pod(d, p),
            deployment: name.parse().unwrap(),
            models: vec!["llama2-7b".to_owned()],
        })
    });
    let profiles: Vec<_> = deployments
        .iter()
        .filter_map(|(name, _, profile)| {
            Some(ProfileEntry { deployment: name.parse().unwrap(), model: None, profile: profile.clone()? })
        })
        .collect();
    Rc::new(Pool::new(pods, &profiles))
}

pub fn pod(deployment: usize, number: u8) -> SocketAddr {
    format!("1.0.{deployment}.{number}:8000").parse().unwrap()
}

/// A profile of one cell: every request takes this share of a pod, and this long.
pub fn one_cell(share: f64, e2e_s: f64) -> Profile {
    let document = json!({
        "gpu": "g", "indexes": [[1], [1]], "tputs": [[1.0 / share / e2e_s]], "e2e": [[e2e_s]], "slos": { "e2e": 5 },
    });
    Profile::from_json(document.to_string().as_bytes()).unwrap()
}

/// A prompt that says "message" to a model of which nothing is known yet.
pub const MESSAGE: Shape = Shape { output_tokens: 1, input_tokens: 1 };

pub fn shape(output_tokens: u32, input_tokens: u32) -> Shape {
    Shape { output_tokens, input_tokens }
}

pub fn arrival(id: u32, shape: Shape, at: Instant) -> Arrival {
    let model = Model { name: "llama2-7b".to_owned(), base: None };
    Arrival { id: RequestId(id), at, model, policy: pull::SLO, shape, ..Arrival::default() }
}

pub fn e2e(seconds: f64) -> Option<Slo> {
    Some(Slo { e2e: Some(Duration::from_secs_f64(seconds)), ..Slo::default() })
}

pub fn settings() -> Settings {
    Settings {
        prefix: PrefixMode::Off,
        looks_at_runs: false,
        corrects_profiles: true,
        pool: "conformance".to_owned(),
        prediction: Prediction { kind: PredictionKind::Median, cold_tokens: 1 },
        fingerprint: 1,
        assessment: Assessment { fallback_policy: least_request::LEAST_REQUEST, ..Assessment::default() },
        reject_infeasible: true,
        preferences: Preferences::default(),
        max_waiting: 1000,
        max_wait: Duration::from_secs(60),
        late: LatePolicy::Last,
        alternatives: 0,
        replicas: None,
    }
}

/// One VM, and its clock.
pub struct Vm {
    pub dispatcher: Dispatcher<Memory>,
    pub now: Instant,
}

// === impl Vm ===

impl Vm {
    pub fn new(settings: Settings, pool: Rc<Pool>) -> Self {
        let mut dispatcher = Dispatcher::new(Memory::default(), settings, 1, START);
        assert_eq!(dispatcher.set_pool(pool, START), []);
        Self { dispatcher, now: START }
    }

    /// A request comes: its placement, if it has one at once.
    pub fn place(&mut self, arrival: Arrival) -> Option<Placement> {
        let actions = self.dispatcher.submit(arrival, self.now);
        let placed = placements(actions);
        assert!(placed.len() <= 1, "{placed:?}");
        placed.into_iter().next().map(|(_, placement)| placement)
    }

    pub fn refusal(&mut self, arrival: Arrival) -> RefusalReason {
        let actions = self.dispatcher.submit(arrival, self.now);
        let [Action::Refuse(_, reason, _)] = actions[..] else { panic!("{actions:?}") };
        reason
    }

    /// A request ends: what is placed then.
    pub fn finish(&mut self, id: u32) -> Vec<(u32, SocketAddr)> {
        self.dispatcher.finish(RequestId(id), &End::Answered, self.now);
        let placed = placements(self.dispatcher.look_again(self.now));
        placed.into_iter().map(|(id, placement)| (id, placement.address)).collect()
    }

    pub fn wait(&mut self, span: Duration) -> Vec<u32> {
        self.now = self.now.after(span);
        placements(self.dispatcher.tick(self.now)).into_iter().map(|(id, _)| id).collect()
    }
}

pub fn placements(actions: Vec<Action>) -> Vec<(u32, Placement)> {
    let placed = actions.into_iter().map(|action| match action {
        Action::Forward(id, placement) => (id.0, placement),
        Action::Refuse(..) => panic!("{action:?}"),
    });
    placed.collect()
}
