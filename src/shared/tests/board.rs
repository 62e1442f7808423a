use std::time::Duration;

use crate::scheduling::load::Load;
use crate::scheduling::pool::{DeploymentId, Pool};
use crate::scheduling::testing::{START, pool, profile};
use crate::shared::board::Board;
use crate::shared::directory::{DEAD_AFTER, Ticket};
use crate::shared::ledger::{Column, Entry};

fn a_pool() -> Pool {
    pool(&[("a", 1, Some(profile(&[(1.0, 1.0)], 5.0))), ("b", 1, None)])
}

/// One request on the first pod.
fn column() -> Column {
    let mut entry = Entry::default();
    entry.charge(Load::from_micro(1));
    Column::from([(a_pool().pods()[0].id, entry)])
}

fn deployments() -> [DeploymentId; 2] {
    [0, 1].map(|position: usize| a_pool().deployments()[position].id)
}

fn seated(board: &mut Board) -> Ticket {
    board.directory.join(START).unwrap()
}

#[test]
fn what_one_vm_runs_is_elsewhere_for_the_others() {
    let mut board = Board::default();
    let [one, other] = [seated(&mut board), seated(&mut board)];
    let [deployment, _] = deployments();
    assert!(board.publish(deployment, one, column()));
    let of_all_but = |own: Ticket| -> Vec<_> { board.columns_of(|ticket| ticket != own).collect() };
    assert_eq!(of_all_but(one), []);
    assert_eq!(of_all_but(other), [(deployment, &column())]);
    assert_eq!(board.running(START), column());
}

#[test]
fn who_has_no_seat_publishes_nothing() {
    let mut board = Board::default();
    let ticket = seated(&mut board);
    board.leave(ticket);
    let before = board.clone();
    assert!(!board.publish(deployments()[0], ticket, column()));
    assert_eq!(board, before);
}

#[test]
fn what_ended_takes_no_room_on_the_board() {
    let mut board = Board::default();
    let ticket = seated(&mut board);
    let before = board.clone();
    board.publish(deployments()[0], ticket, column());
    board.publish(deployments()[0], ticket, Column::new());
    assert_eq!(board, before);
}

#[test]
fn a_silent_vms_load_counts_no_more_and_goes_with_its_seat() {
    let mut board = Board::default();
    let ticket = seated(&mut board);
    board.publish(deployments()[0], ticket, column());
    let dead = START.after(DEAD_AFTER);
    assert_eq!(board.running(dead.before(Duration::from_micros(1))), column());
    assert_eq!(board.running(dead), Column::new());
    let mut empty = board.clone();
    empty.drop_dead(dead);
    assert_eq!(empty.directory.seat(ticket), None);
    assert_eq!(empty.running(START), Column::new());
    board.leave(ticket);
    assert_eq!(board, empty);
}
