//! Invariants of every scenario.

use std::collections::BTreeSet;
use std::time::Duration;

use laboratory::simulation::record::START;
use laboratory::simulation::scenario::{self, SPELL_LENGTH, SPELL_STARTS, Scenario};
use laboratory::simulation::server::Server;

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn servers(scenario: &Scenario) -> Vec<Box<dyn Server>> {
    scenario.cluster.servers(1).expect("the model fits the GPUs")
}

#[test]
fn names_differ() {
    let names: BTreeSet<_> = scenario::all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), scenario::all().len());
}

#[test]
fn every_pod_can_serve_every_request() {
    for scenario in scenario::all() {
        let mut servers = servers(&scenario);
        for (id, demand) in (0..).zip(scenario.demands(5.0, TEN_MINUTES, 1)) {
            let arrival = demand.arrival;
            for server in &mut servers {
                let taken = server.submit(id, arrival.prompt(), arrival.output_tokens, START);
                assert!(taken.is_ok(), "{}: {taken:?}", scenario.name);
            }
        }
    }
}

#[test]
fn every_request_has_an_objective_and_is_of_a_class_of_its_scenario() {
    for scenario in scenario::all() {
        let demands = scenario.demands(5.0, TEN_MINUTES, 1);
        assert!(demands.iter().all(|demand| !demand.slo.is_empty()), "{}", scenario.name);
        let of_scenario = |demand: &scenario::Demand| scenario.classes.contains(&demand.arrival.class);
        assert!(demands.iter().all(of_scenario), "{}", scenario.name);
        let occurs = |class| demands.iter().any(|demand| demand.arrival.class == class);
        assert!(scenario.classes.iter().all(|class| occurs(*class)), "{}", scenario.name);
    }
}

#[test]
fn profiles_are_there_for_all_deployments_at_both_percentiles() {
    for scenario in scenario::all() {
        for document in [scenario.profiles, scenario.profiles_p99] {
            let document: serde_json::Value = serde_json::from_slice(document).unwrap();
            let entries = document["profiles"].as_array().unwrap();
            let has = |deployment: &str| entries.iter().any(|entry| entry["deployment"] == deployment);
            assert!(scenario.cluster.pods.iter().all(|pod| has(&pod.deployment)), "{}", scenario.name);
        }
    }
}

#[test]
fn the_degrading_pod_is_slow_during_its_spell_alone_and_the_others_never() {
    let scenario = Scenario::named("degrading-a").unwrap();
    let time_of = |pod: usize, start| {
        let mut server = servers(&scenario).swap_remove(pod);
        server.submit(1, 100.into(), 10, start).unwrap();
        let mut last = start;
        while let Some(at) = server.next_event_at() {
            server.advance(at);
            last = at;
        }
        last.since(start).as_secs_f64()
    };
    let (spell, recovered) = (START.after(SPELL_STARTS), START.after(SPELL_STARTS + SPELL_LENGTH));
    let slow = scenario.cluster.pods.len() - 1;
    assert!((time_of(slow, spell) / time_of(slow, START) - 2.5).abs() < 0.01);
    assert!((time_of(slow, recovered) / time_of(slow, START) - 1.0).abs() < 0.01);
    assert!((time_of(slow - 1, spell) / time_of(slow - 1, START) - 1.0).abs() < 0.01);
}
