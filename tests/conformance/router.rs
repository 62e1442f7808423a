//! AIBrix's SLO router end to end, on its sample deployment: two pods of the simulated A100. The fallback too.
//!
//! Left out, because we build otherwise: request traces; blended strategies (`a:1,b:2` is an error); `random` as the
//! fallback of a router that has none set (here the configuration always has one, `least-request` unless it says otherwise).

use std::time::Duration;

use serde::Deserialize;
use slo_router::dispatcher::{RefusalReason, Settings};
use slo_router::learning::{Learning, Prediction, PredictionKind, ResponseSample};
use slo_router::scheduling::policies::{PolicyName, least_request, pull, random};
use slo_router::scheduling::prediction::Completion;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::request::{Arrival, Assessment, Unjudged};
use slo_router::shared::{Keys, memory::Memory};

use crate::support::{MESSAGE, START, Vm, arrival, pod, pool, settings, shape};
use crate::{a100, a100_without_latencies, golden};

const NAME: &str = "simulator-llama2-7b-a100";

fn vm(profile: Option<Profile>) -> Vm {
    Vm::new(settings(), pool(&[(NAME, 2, profile)]))
}

/// The sample's profile with another objective.
fn a100_promising(slos: &str) -> Profile {
    let sample = include_str!("../data/profiles/simulator-llama2-7b-a100.json");
    let mut document: serde_json::Value = serde_json::from_str(sample).unwrap();
    document["slos"] = serde_json::from_str(slos).unwrap();
    Profile::from_json(document.to_string().as_bytes()).unwrap()
}

#[test]
fn what_no_profile_can_judge_goes_by_least_request() {
    let cases = [
        ("no profile", None, Unjudged::NoProfile),
        ("the obsolete file, without latencies and SLO", Some(a100_without_latencies()), Unjudged::NoProfile),
        ("latencies without an SLO", Some(a100_promising("{}")), Unjudged::NoSlo),
        ("an SLO for the first token, without the matrix", Some(a100_promising(r#"{"ttft": 1}"#)), Unjudged::NoSlo),
    ];
    for (case, profile, reason) in cases {
        let placement = vm(profile).place(arrival(1, MESSAGE, START)).expect(case);
        assert_eq!((placement.policy, placement.unjudged), (least_request::LEAST_REQUEST, Some(reason)), "{case}");
    }
}

#[test]
fn a_request_that_no_pod_can_serve_in_time_is_refused() {
    let mut learning = Learning::new(Prediction { kind: PredictionKind::Draw, cold_tokens: 1 });
    let completion = Completion { input_tokens: 2048, output_tokens: 512, completed_at: START };
    let sample = ResponseSample {
        completion: Some(completion),
        prompt_tokens: None,
        characters: None,
        bytes: None,
        events: None,
    };
    learning.record("llama2-7b", sample);
    learning.share(&Memory::default(), &Keys::of("conformance"), START);
    let mut rng = fastrand::Rng::with_seed(1);
    let output = learning.output_tokens("llama2-7b", 2049, Vec::new, START, &mut rng);
    assert_eq!(output, 512);
    assert_eq!(vm(Some(a100())).refusal(arrival(1, shape(output, 2049), START)), RefusalReason::Infeasible);
}

#[test]
fn a_cold_start_is_routed_by_slo() {
    let mut learning = Learning::new(Prediction { kind: PredictionKind::Draw, cold_tokens: 1 });
    let mut rng = fastrand::Rng::with_seed(1);
    assert_eq!(learning.output_tokens("llama2-7b", 1, Vec::new, START, &mut rng), 1);
    let placement = vm(Some(a100())).place(arrival(1, MESSAGE, START)).unwrap();
    assert_eq!((placement.policy, placement.unjudged), (pull::SLO, None));
    assert!([pod(0, 1), pod(0, 2)].contains(&placement.address));
}

#[test]
fn a_packed_request_joins_the_one_before() {
    let mut vm = vm(Some(a100()));
    let first = vm.place(arrival(1, MESSAGE, START)).unwrap();
    assert!(first.load.as_share() <= 0.5);
    let packed = Arrival { policy: pull::SLO_PACK_LOAD, ..arrival(2, MESSAGE, START) };
    assert_eq!(vm.place(packed).unwrap().address, first.address);
}

/// As many fit as in AIBrix; corrected is that the second pod is started before the first one is full.
#[test]
fn pods_fill_and_the_next_request_waits_for_the_first_that_frees() {
    #[derive(Deserialize)]
    struct Case {
        admitted_per_pod: usize,
        two_pods_total: u32,
    }
    let Case { admitted_per_pod, two_pods_total } = golden("pull_block_test");
    let mut vm = vm(Some(a100()));
    let packed = |id| Arrival { policy: pull::SLO_PACK_LOAD, ..arrival(id, MESSAGE, START) };
    let addresses: Vec<_> = (0..two_pods_total).map(|id| vm.place(packed(id)).unwrap().address).collect();
    let first = addresses[0];
    assert_eq!(addresses[1], first, "{addresses:?}");
    assert_eq!(addresses.iter().filter(|address| **address == first).count(), admitted_per_pod, "{addresses:?}");
    assert_eq!(vm.place(packed(two_pods_total)), None);
    assert_eq!(vm.wait(Duration::from_millis(10)), [0; 0], "still full");
    assert_eq!(vm.finish(0), [(two_pods_total, first)]);
}

#[test]
fn the_fallback_is_the_one_configured_and_is_named() {
    for fallback_policy in [least_request::LEAST_REQUEST, random::RANDOM] {
        let assessment = Assessment { fallback_policy, ..Assessment::default() };
        let mut vm = Vm::new(Settings { assessment, ..settings() }, pool(&[(NAME, 2, None)]));
        assert_eq!(vm.place(arrival(1, MESSAGE, START)).unwrap().policy, fallback_policy);
    }
}

#[test]
fn a_policy_that_needs_no_profile_is_kept_without_one() {
    let asked = Arrival { policy: random::RANDOM, ..arrival(1, MESSAGE, START) };
    assert_eq!(vm(None).place(asked).unwrap().policy, random::RANDOM);
}

#[test]
fn blended_strategies_are_no_policies() {
    for name in ["least-request:2,pd:1,throughput:3", "slo-least-load:1,least-latency:2", "slo:1", "", "a,,b"] {
        assert!(name.parse::<PolicyName>().is_err(), "{name}");
    }
}
