use std::time::Duration;

use crate::scheduling::load::Load;
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::PodId;
use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::shared::digest::Digest;
use crate::shared::peer_table::{PeerTable, PoolIdentity, SlotWrite};
use crate::shared::peer_view::Standing;

const EXPIRE: Duration = Duration::from_secs(2);

fn after(ms: u64) -> Instant {
    START.after(Duration::from_millis(ms))
}

fn pod() -> PodId {
    PodId::of("10.0.0.1:8000".parse().unwrap())
}

/// So many requests, each of a tenth of the pod.
fn column(count: u32) -> PodLoads {
    let mut entry = PodLoad::default();
    (0..count).for_each(|_| entry.charge(Load::from_micro(100_000)));
    if count == 0 { PodLoads::new() } else { PodLoads::from([(pod(), entry)]) }
}

fn text(gateway: u64, sequence: u64, count: u32) -> Option<String> {
    Some(Digest { gateway, sequence, running: column(count), ..Digest::default() }.encode("p"))
}

fn garbage() -> Option<String> {
    Some("garbage".to_owned())
}

fn look(peer_table: &mut PeerTable, slots: &[Option<String>], now: Instant) -> Vec<String> {
    peer_table.look(slots, PoolIdentity { name: "p", secret: None }, EXPIRE, now)
}

/// Counts the requests that the others run.
fn elsewhere(peer_table: &PeerTable) -> u32 {
    let peer_view = peer_table.peer_view(PodLoads::new(), 1, Duration::ZERO, START.after(EXPIRE));
    peer_view.elsewhere(pod(), START).count
}

#[test]
fn the_lowest_free_slot_is_taken_and_kept() {
    let mut peer_table = PeerTable::new(1);
    let mut slots = vec![text(2, 1, 0), None, None];
    look(&mut peer_table, &slots, START);
    let free = |slot| SlotWrite { slot, if_free: true };
    assert_eq!(peer_table.places(&slots), [free(1), free(2)]);
    peer_table.settle(1);
    slots[1] = text(1, 1, 0);
    look(&mut peer_table, &slots, START);
    assert_eq!(peer_table.places(&slots), [SlotWrite { slot: 1, if_free: false }]);
    slots[1] = None;
    assert_eq!(peer_table.places(&slots), [free(1), free(2)], "it expired, and somebody may be quicker");
}

#[test]
fn a_slot_that_another_took_is_given_up() {
    let mut peer_table = PeerTable::new(1);
    peer_table.settle(0);
    let slots = [text(2, 1, 0), None];
    look(&mut peer_table, &slots, START);
    assert_eq!(peer_table.places(&slots), [SlotWrite { slot: 1, if_free: true }]);
}

#[test]
fn what_others_run_adds_up_and_ones_own_does_not() {
    let mut peer_table = PeerTable::new(1);
    let complaints = look(&mut peer_table, &[text(1, 5, 9), text(2, 1, 3), None, text(3, 1, 4)], START);
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!((elsewhere(&peer_table), peer_table.gateways(), peer_table.rank(3)), (7, 3, 0));
}

#[test]
fn garbage_is_told_and_the_last_good_word_counts_until_it_expires() {
    let mut peer_table = PeerTable::new(1);
    look(&mut peer_table, &[text(2, 1, 3)], START);
    let complaints = look(&mut peer_table, &[garbage()], after(1_999));
    assert_eq!((complaints, elsewhere(&peer_table)), (vec!["slot 0: no digest".to_owned()], 3));
    look(&mut peer_table, &[garbage()], after(2_000));
    assert_eq!((elsewhere(&peer_table), peer_table.gateways()), (0, 1));
}

#[test]
fn who_says_the_same_again_is_silent() {
    let mut peer_table = PeerTable::new(1);
    for ms in [0, 1_000, 1_999] {
        look(&mut peer_table, &[text(2, 1, 3)], after(ms));
        assert_eq!(elsewhere(&peer_table), 3, "{ms}");
    }
    look(&mut peer_table, &[text(2, 1, 3)], after(2_000));
    assert_eq!(elsewhere(&peer_table), 0, "a store that does not expire it");
}

#[test]
fn a_gateway_that_changed_its_slot_counts_once() {
    let mut peer_table = PeerTable::new(1);
    look(&mut peer_table, &[text(2, 8, 4), text(2, 7, 3)], START);
    assert_eq!((elsewhere(&peer_table), peer_table.gateways()), (4, 2));
    look(&mut peer_table, &[text(2, 7, 3), text(2, 9, 5)], START);
    assert_eq!((elsewhere(&peer_table), peer_table.gateways()), (5, 2));
}

#[test]
fn a_store_that_lost_all_does_not_make_the_others_stop() {
    let mut peer_table = PeerTable::new(1);
    look(&mut peer_table, &[text(2, 1, 3)], START);
    look(&mut peer_table, &[None], after(100));
    assert_eq!(elsewhere(&peer_table), 3);
}

#[test]
fn who_knows_too_few_draws_a_place_among_those_that_are_expected() {
    let mut peer_table = PeerTable::new(7);
    assert_eq!(peer_table.rank(4), 3);
    look(&mut peer_table, &[text(2, 1, 3), text(3, 1, 3), text(9, 1, 3)], START);
    assert_eq!(peer_table.rank(4), 2);
    assert_eq!(peer_table.peer_view(PodLoads::new(), 3, Duration::ZERO, START).reckoned, 4);
    assert_eq!(peer_table.peer_view(PodLoads::new(), 5, Duration::ZERO, START).reckoned, 5);
}

#[test]
fn it_passes_from_vm_to_vm() {
    let mut peer_table = PeerTable::new(1);
    look(&mut peer_table, &[text(2, 1, 3)], START);
    let first = peer_table.digest(PodLoads::new(), None);
    let mut passed = PeerTable::from_bytes(&peer_table.to_bytes()).unwrap();
    assert_eq!(passed, peer_table);
    assert!(passed.digest(PodLoads::new(), None).sequence > first.sequence);
}

#[test]
fn an_outlook_runs_out_and_each_pod_is_shared_then() {
    let mut peer_table = PeerTable::new(1);
    look(&mut peer_table, &[text(2, 1, 3)], START);
    let peer_view = peer_table.peer_view(column(2), 1, Duration::ZERO, after(2_000));
    assert_eq!((peer_view.standing(after(1_999)), peer_view.gateways_seen(after(1_999))), (Standing::Together, 2));
    assert_eq!((peer_view.standing(after(2_000)), peer_view.gateways_seen(after(2_000))), (Standing::Apart, 0));
    assert_eq!(peer_view.elsewhere(pod(), after(2_000)), PodLoad::default());
    let allows = |own: u32, more: u32, now| {
        let own = Load::from_micro(own * 100_000);
        peer_view.allowance(pod(), (1, 2), own, now).allows(Load::from_micro(more * 100_000))
    };
    // Half a pod was free, a quarter for each; but two tenths were just taken, and the other may
    // have taken its half of them since.
    assert!(allows(2, 1, START) && !allows(2, 2, START));
    assert!(allows(2, 3, after(2_000)) && !allows(2, 4, after(2_000)));
}

#[test]
fn each_pod_is_some_gateways_own_and_each_gateway_has_one() {
    for (gateways, pods) in [(1, 3), (2, 5), (3, 3), (4, 2), (5, 1)] {
        let owns = |rank: u32, position: usize| {
            let peer_view = crate::shared::peer_view::PeerView::apart(gateways, rank);
            let place = (position, pods);
            peer_view.allowance(pod(), place, Load::ZERO, START).allows(Load::CAPACITY)
        };
        for position in 0..pods {
            assert!((0..gateways).any(|rank| owns(rank, position)), "{gateways} {pods} {position}");
        }
        for rank in 0..gateways {
            assert!((0..pods).any(|position| owns(rank, position)), "{gateways} {pods} {rank}");
        }
    }
}
