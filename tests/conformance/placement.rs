//! Choice of a pod: AIBrix's least-load (push and pull) and pack-load.
//!
//! Left out, because we build otherwise: ties go to the last pod in AIBrix (to the first when it packs), here to any, so
//! that the VMs of a gateway do not all pick the same one; pods without an address and pods whose utilisation cannot be read
//! do not exist here; the pods of one deployment charge a request alike, where AIBrix's tests let each pod have its own.

use slo_router::scheduling::latency_model::LatencyModels;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::policies::{PolicyName, Preferences, Round, pull, push};
use slo_router::scheduling::request::{Assessment, Request};
use slo_router::scheduling::view::{Health, PodState, View};

use crate::support::{MESSAGE, START, arrival, one_cell, pool};
use crate::{a40, a100};

fn micro(share: f64) -> Load {
    Load::from_micro((share * 1e6).round() as u32)
}

/// The pods (counted from 1) that a policy picks over many draws, where each is as full as said and the request takes
/// `share` of one.
fn picks(policy: PolicyName, utilisations: &[f64], share: f64) -> Vec<usize> {
    let states = utilisations.iter().map(|utilisation| PodState { load: micro(*utilisation), ..PodState::default() });
    picks_of(policy, states.collect(), share)
}

fn picks_of(policy: PolicyName, states: Vec<PodState>, share: f64) -> Vec<usize> {
    let pool = pool(&[("d", u8::try_from(states.len()).unwrap(), Some(one_cell(share, 1.0)))]);
    let request = Request::assess(arrival(1, MESSAGE, START), &pool, &Assessment::default());
    let mut picked: Vec<usize> = (0..32)
        .flat_map(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut latency_models = LatencyModels::default();
            let mut round = Round::new(START, &mut rng, &mut latency_models);
            let mut view = View::new(&pool, states.clone());
            policy.build(Preferences::default()).decide(&mut view, &[&request], &mut round)
        })
        .map(|decision| decision.pod + 1)
        .collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

#[test]
fn push_takes_the_least_loaded_pod() {
    let out = PodState { health: Health::Out, ..PodState::default() };
    let full = |share| PodState { load: micro(share), ..PodState::default() };
    let push = push::SLO_LEAST_LOAD;
    assert_eq!(picks(push, &[0.3, 0.1, 0.5], 0.2), [2]);
    assert_eq!(picks(push, &[0.5, 0.5], 0.2), [1, 2]);
    assert_eq!(picks(push, &[], 0.2), [0; 0]);
    assert_eq!(picks_of(push, vec![out, full(0.7), full(0.3)], 0.2), [3]);
    assert_eq!(picks_of(push, vec![out, out], 0.2), [0; 0]);
}

#[test]
fn push_holds_nothing_back() {
    assert_eq!(picks(push::SLO_LEAST_LOAD, &[1.4, 1.3], 0.2), [2]);
}

/// Corrected: AIBrix tries deployments one by one and stops at the first that has a pod, so push never uses slower GPUs.
#[test]
fn push_uses_slower_gpus_in_proportion_to_what_they_sustain() {
    let pool = pool(&[("a100", 1, Some(a100())), ("a40", 1, Some(a40()))]);
    let mut states = vec![PodState::default(); 2];
    let mut placed = [0, 0];
    let mut policy = push::SLO_LEAST_LOAD.build(Preferences::default());
    let mut rng = fastrand::Rng::with_seed(1);
    for id in 0..30 {
        let request = Request::assess(arrival(id, MESSAGE, START), &pool, &Assessment::default());
        let mut view = View::new(&pool, states.clone());
        let decisions =
            policy.decide(&mut view, &[&request], &mut Round::new(START, &mut rng, &mut LatencyModels::default()));
        placed[decisions[0].pod] += 1;
        states = (0..2).map(|position| view.state(position)).collect();
    }
    assert!(placed[1] > 5 && placed[0] > placed[1], "{placed:?}");
}

#[test]
fn pull_takes_the_least_loaded_pod_that_stays_within_capacity() {
    let pull = pull::SLO;
    assert_eq!(picks(pull, &[0.3, 0.1], 0.1), [2]);
    assert_eq!(picks(pull, &[0.8, 0.9], 0.3), [0; 0], "capacity reached");
    assert_eq!(picks(pull, &[0.8, 0.4, 0.9], 0.3), [2]);
    assert_eq!(picks(pull, &[0.3, 0.3], 0.2), [1, 2]);
    assert_eq!(picks(pull, &[0.8], 0.2), [1], "exactly at capacity");
    assert_eq!(picks(pull, &[0.800_001], 0.2), [0; 0]);
}

/// Corrected: AIBrix packs up to the capacity, at which every second request misses its objective.
#[test]
fn packing_takes_the_most_loaded_pod_that_stays_below_half_and_else_the_least_loaded_within_capacity() {
    let pack = pull::SLO_PACK_LOAD;
    assert_eq!(picks(pack, &[0.2, 0.3], 0.1), [2]);
    assert_eq!(picks(pack, &[0.3, 0.4], 0.1), [1]);
    assert_eq!(picks(pack, &[0.8, 0.4], 0.3), [2]);
    assert_eq!(picks(pack, &[0.8, 0.9], 0.2), [1], "exactly at capacity");
    assert_eq!(picks(pack, &[0.9, 0.8], 0.3), [0; 0], "capacity reached");
}

#[test]
fn the_long_name_of_slo_is_the_same_policy() {
    for utilisations in [&[0.3, 0.1][..], &[0.8, 0.9], &[0.9, 0.2]] {
        assert_eq!(picks(pull::SLO_LEAST_LOAD_PULLING, utilisations, 0.3), picks(pull::SLO, utilisations, 0.3));
    }
}
