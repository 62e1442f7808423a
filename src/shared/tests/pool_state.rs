use std::time::Duration;

use crate::scheduling::load::Load;
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::{DeploymentId, Pool};
use crate::scheduling::testing::{START, pool, profile};
use crate::shared::membership::{DEAD_AFTER, FencingToken};
use crate::shared::pool_state::PoolState;

fn a_pool() -> Pool {
    pool(&[("a", 1, Some(profile(&[(1.0, 1.0)], 5.0))), ("b", 1, None)])
}

/// One request on the first pod.
fn column() -> PodLoads {
    let mut entry = PodLoad::default();
    entry.charge(Load::from_micro(1));
    PodLoads::from([(a_pool().pods()[0].id, entry)])
}

fn deployments() -> [DeploymentId; 2] {
    [0, 1].map(|position: usize| a_pool().deployments()[position].id)
}

fn seated(pool_state: &mut PoolState) -> FencingToken {
    pool_state.membership.join(START).unwrap()
}

#[test]
fn what_one_vm_runs_is_elsewhere_for_the_others() {
    let mut pool_state = PoolState::default();
    let [one, other] = [seated(&mut pool_state), seated(&mut pool_state)];
    let [deployment, _] = deployments();
    assert!(pool_state.publish(deployment, one, column()));
    let of_all_but = |own: FencingToken| -> Vec<_> { pool_state.columns_of(|fence| fence != own).collect() };
    assert_eq!(of_all_but(one), []);
    assert_eq!(of_all_but(other), [(deployment, &column())]);
    assert_eq!(pool_state.running(START), column());
}

#[test]
fn who_has_no_seat_publishes_nothing() {
    let mut pool_state = PoolState::default();
    let fence = seated(&mut pool_state);
    pool_state.leave(fence);
    let before = pool_state.clone();
    assert!(!pool_state.publish(deployments()[0], fence, column()));
    assert_eq!(pool_state, before);
}

#[test]
fn what_ended_takes_no_room_on_the_board() {
    let mut pool_state = PoolState::default();
    let fence = seated(&mut pool_state);
    let before = pool_state.clone();
    pool_state.publish(deployments()[0], fence, column());
    pool_state.publish(deployments()[0], fence, PodLoads::new());
    assert_eq!(pool_state, before);
}

#[test]
fn a_silent_vms_load_counts_no_more_and_goes_with_its_seat() {
    let mut pool_state = PoolState::default();
    let fence = seated(&mut pool_state);
    pool_state.publish(deployments()[0], fence, column());
    let dead = START.after(DEAD_AFTER);
    assert_eq!(pool_state.running(dead.before(Duration::from_micros(1))), column());
    assert_eq!(pool_state.running(dead), PodLoads::new());
    let mut empty = pool_state.clone();
    empty.drop_dead(dead);
    assert_eq!(empty.membership.member(fence), None);
    assert_eq!(empty.running(START), PodLoads::new());
    pool_state.leave(fence);
    assert_eq!(pool_state, empty);
}
