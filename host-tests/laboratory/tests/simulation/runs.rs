//! Whole runs.

use std::time::Duration;

use laboratory::cluster::MODEL;
use laboratory::engine::{Engine, EngineSpec, Gpu};
use laboratory::simulation::baseline::{Baseline, Pusher};
use laboratory::simulation::contender::Contender;
use laboratory::simulation::gateway::{Gateway, RequestNumber, Verdict};
use laboratory::simulation::record::{Fate, Record, START};
use laboratory::simulation::scenario::{Cluster, Demand, Scenario};
use laboratory::simulation::server::Server;
use laboratory::simulation::shipped::{Filter, Lengths, Shipped};
use laboratory::simulation::sweep::Sweep;
use laboratory::simulation::world::{self, Run, Violation};
use laboratory::workload::{Arrival, Class};
use serde_json::{Map, json};
use slo_router::scheduling::load::Load;
use slo_router::scheduling::policies::pull;
use slo_router::scheduling::slo::Outcome;
use slo_router::scheduling::time::Instant;

use crate::common::{Exponential, seed_a, short_sweep, sweep};

const MINUTE: Duration = Duration::from_secs(60);
/// Long enough for queues at the rates below.
const SPAN: Duration = Duration::from_secs(10);

fn one(contender: Contender, rate_per_s: f64, seed: u64) -> Run {
    sweep(vec![contender]).records(contender, &seed_a().demands(rate_per_s, SPAN, seed), &[], seed).unwrap()
}

/// Every run also checks that no pull policy fills a pod above its capacity, that all requests end and that ledgers are
/// empty then; 10 requests/s are more than these pods sustain within the SLO, so queues form.
#[test]
fn a_run_depends_on_its_seed_alone() {
    for contender in Contender::all() {
        let first = one(contender, 10.0, 1);
        assert_eq!(first, one(contender, 10.0, 1), "{contender}");
        assert_ne!(first, one(contender, 10.0, 2), "{contender}");
    }
}

#[test]
fn the_order_in_which_threads_finish_does_not_show() {
    let json = |curves: Vec<laboratory::simulation::sweep::Curve>| {
        let points = curves.into_iter().flat_map(|curve| curve.points);
        points.map(|point| serde_json::to_value(point).unwrap()).collect::<Vec<_>>()
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = |threads| json(pool(threads).install(|| short_sweep().run(|| {})).unwrap());
    assert_eq!(run(1), run(3));
}

#[test]
fn all_policies_see_the_same_arrivals() {
    let arrived =
        |contender| one(contender, 4.0, 1).records.into_iter().map(|record| record.arrival).collect::<Vec<_>>();
    let of_first = arrived(Contender::all().next().unwrap());
    assert!(Contender::all().all(|contender| arrived(contender) == of_first));
}

#[test]
fn littles_law_holds() {
    for contender in Contender::all() {
        let Run { records, request_seconds } = one(contender, 5.0, 1);
        let stayed = |record: &Record| record.answer().map_or(record.waited(), |answer| answer.e2e).as_secs_f64();
        let sum: f64 = records.iter().map(stayed).sum();
        assert!((request_seconds / sum - 1.0).abs() < 1e-6, "{contender}: {request_seconds} against {sum}");
    }
}

/// M/M/1: the mean time in the system is 1/(μ − λ).
#[test]
fn one_exponential_server_is_as_slow_as_theory_says() {
    let (arrival_rate, service_rate) = (5.0, 10.0);
    let demands = seed_a().demands(arrival_rate, 90 * MINUTE, 3);
    let server: Box<dyn Server> = Box::new(Exponential::new(service_rate, 4));
    let mut gateway = Pusher::new(Baseline::RoundRobin, vec![1.0], 1, 1);
    let Run { records, .. } = world::run(&demands, vec![server], &mut gateway).unwrap();
    let times = records.iter().filter_map(|record| Some(record.answer()?.e2e.as_secs_f64()));
    let mean_s = times.sum::<f64>() / records.len() as f64;
    let expected_s = 1.0 / (service_rate - arrival_rate);
    assert!((mean_s / expected_s - 1.0).abs() < 0.05, "{mean_s} s against {expected_s} s");
}

/// Each takes more than half of the pod by its profile, and each comes to a worker of its own.
#[test]
fn what_waits_in_one_worker_is_placed_a_message_after_another_workers_request_ended() {
    let scenario = on_one_a10();
    let by_profile = Map::from_iter([("profiles".to_owned(), json!({ "correct": false }))]);
    let filter = Filter::new(&scenario, scenario.profiles, &by_profile).unwrap();
    let mut gateway = Shipped::new(&filter, pull::SLO, Lengths::Learned, 2, 1, START);
    let server = Engine::new(EngineSpec::new(Gpu::A10, MODEL).unwrap());
    let arrival = |at_ms| Arrival {
        at: Duration::from_millis(at_ms),
        class: Class::Chat,
        prompt_tokens: 4_000,
        content: None,
        output_tokens: 16,
    };
    let demands = scenario.with_objectives(vec![arrival(1), arrival(2)]);
    let run = world::run(&demands, vec![Box::new(server)], &mut gateway).unwrap();
    let first = run.records[0].answer().unwrap();
    let Fate::Completed { wait, .. } = run.records[1].fate else { panic!("{:?}", run.records[1]) };
    assert_eq!(Duration::from_millis(1) + wait, first.e2e + Duration::from_micros(100));
}

#[test]
fn a_filter_that_routes_by_prefixes_has_an_error_of_expected_hits_and_another_one_none() {
    let scenario = Scenario::named("system-prompt").unwrap();
    let error = |prefix: &str| {
        let changes = json!({"prefix": prefix}).as_object().cloned().unwrap();
        let filter = Filter::new(&scenario, scenario.profiles, &changes).unwrap();
        let slo_attainment = "slo-attainment".parse().unwrap();
        let sweep = Sweep { scenario: scenario.clone(), filter, ..sweep(vec![slo_attainment]) };
        sweep.run(|| {}).unwrap()[0].points[0].expected_hit_error.map(|error| error.mean)
    };
    assert_eq!(error("off"), None);
    // The first requests find nothing.
    assert!(error("route").is_some_and(|error| (0.0..0.5).contains(&error)));
}

fn on_one_a10() -> Scenario {
    Scenario { cluster: Cluster::new(&[(Gpu::A10, 1.0)], MODEL), ..seed_a() }
}

/// Places all on the only pod, and promises too much.
struct Overfull;

impl Gateway for Overfull {
    fn arrive(&mut self, id: RequestNumber, _demand: &Demand, _now: Instant) -> Vec<Verdict> {
        vec![Verdict::Place(id, 0, Load::from_micro(600_000))]
    }

    fn finish(&mut self, _id: RequestNumber, _outcome: Outcome, _now: Instant) {}

    fn keeps_capacity(&self) -> bool {
        true
    }
}

#[test]
fn a_pod_above_its_capacity_ends_the_run() {
    let server: Box<dyn Server> = Box::new(Exponential::new(0.1, 1));
    let violation = world::run(&seed_a().demands(1.0, MINUTE, 1), vec![server], &mut Overfull).unwrap_err();
    assert!(matches!(violation, Violation::AboveCapacity { pod: 0, .. }), "{violation}");
}

#[test]
fn the_filters_own_checks_hold_for_what_is_changed_in_its_configuration() {
    let changes = |text: serde_json::Value| text.as_object().cloned().unwrap();
    let scenario = on_one_a10();
    let filter = |changes: &Map<_, _>| Filter::new(&scenario, scenario.profiles, changes);
    let error = |changes: &Map<_, _>| format!("{:#}", filter(changes).unwrap_err());
    let wrong = error(&changes(json!({"queue": {"late": "never"}})));
    assert!(wrong.contains("queue.late") && wrong.contains("reject"), "{wrong}");
    assert!(error(&changes(json!({"qeue": {}}))).contains("qeue"));
    assert!(filter(&changes(json!({"queue": {"late": "reject"}}))).is_ok());
    let wrong = Filter::new(&scenario, b"{}", &Map::new()).unwrap_err();
    assert!(format!("{wrong:#}").contains("profiles"), "{wrong:#}");
}
