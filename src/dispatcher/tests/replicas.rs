//! Behaviour of several gateways: each is one VM with a memory of its own, and they exchange when
//! the test says so.

use std::rc::Rc;
use std::time::Duration;

use super::load_exchange;
use super::world::{settings, well};
use crate::dispatcher::{Action, Dispatcher, Settings};
use crate::scheduling::policies::{PolicyName, attainment, least_request};
use crate::scheduling::pool::Pool;
use crate::scheduling::request::{Arrival, RequestId};
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::Slo;
use crate::scheduling::testing::{START, arrival, pool, profile, urgent};
use crate::scheduling::time::Instant;
use crate::shared::memory::Memory;
use crate::shared::peer_table::{PeerTable, PoolIdentity};
use crate::shared::store::Store;

const INTERVAL: Duration = Duration::from_millis(100);
const EXPIRE: Duration = Duration::from_secs(2);

const POOL: PoolIdentity<'_> = PoolIdentity { name: "p", secret: None };

/// Gateways, and what stands in their slots.
struct Gateways {
    now: Instant,
    dispatchers: Vec<Dispatcher<Memory>>,
    rosters: Vec<PeerTable>,
    slots: Vec<Option<String>>,
    running: Vec<Vec<u32>>,
}

/// A request of shape 0 takes a tenth of a pod, of shape 1 all of it.
fn one_pod() -> Pool {
    pool(&[("a", 1, Some(profile(&[(0.1, 1.0), (1.0, 1.0)], 10.0)))])
}

// === impl Gateways ===

impl Gateways {
    fn new(count: usize, pool: Pool) -> Self {
        let pool = Rc::new(pool);
        let start = |number: usize| {
            let settings = Settings { replicas: Some(INTERVAL), looks_at_runs: true, ..settings() };
            let mut dispatcher = Dispatcher::new(Memory::default(), settings, number as u64, START);
            dispatcher.set_pool(Rc::clone(&pool), START);
            dispatcher
        };
        let rosters = (1..=count as u64).map(PeerTable::new).collect();
        let (dispatchers, slots) = ((0..count).map(start).collect(), vec![None; count]);
        Self { now: START, dispatchers, rosters, slots, running: vec![Vec::new(); count] }
    }

    fn arrive(&mut self, gateway: usize, id: u32, shape: usize, slack_s: u64) {
        self.submit(gateway, urgent(id, shape, self.now, Duration::from_secs(slack_s + 1)));
    }

    /// A request that is to take at most 50 ms for each of the 200 tokens of its answer.
    fn ask(&mut self, gateway: usize, id: u32, policy: PolicyName) {
        let slo = Slo { e2e_per_output_token: Some(Duration::from_millis(50)), ..Slo::default() };
        let shape = Shape { output_tokens: 200, input_tokens: 100 };
        self.submit(gateway, Arrival { policy, shape, slo: Some(slo), ..arrival(id, 0, self.now) });
    }

    fn submit(&mut self, gateway: usize, arrival: Arrival) {
        let actions = self.dispatchers[gateway].submit(arrival, self.now);
        self.perform(gateway, &actions);
    }

    fn finish(&mut self, gateway: usize, id: u32) {
        self.running[gateway].retain(|running| *running != id);
        self.dispatchers[gateway].finish(RequestId(id), &well(), self.now);
        self.look(gateway);
    }

    /// A tick, and the message by which it may ask for a round.
    fn look(&mut self, gateway: usize) {
        let dispatcher = &mut self.dispatchers[gateway];
        let mut actions = dispatcher.tick(self.now);
        actions.extend(dispatcher.look_again(self.now));
        self.perform(gateway, &actions);
    }

    /// One gateway looks at the others and tells them what it does.
    fn meet(&mut self, gateway: usize) {
        let (dispatcher, peer_table) = (&mut self.dispatchers[gateway], &mut self.rosters[gateway]);
        let (told, waiting) = dispatcher.to_tell(self.now);
        self.slots[gateway] = Some(peer_table.digest(told.clone(), waiting).encode("p"));
        assert_eq!(peer_table.look(&self.slots, POOL, EXPIRE, self.now), Vec::<String>::new());
        let peer_view = peer_table.peer_view(told, 1, INTERVAL, self.now.after(EXPIRE));
        dispatcher.learn_of_others(&peer_view);
    }

    /// All do, again and again.
    fn meet_for(&mut self, intervals: usize) {
        for _ in 0..intervals {
            self.now = self.now.after(INTERVAL);
            for gateway in 0..self.dispatchers.len() {
                self.meet(gateway);
                self.look(gateway);
            }
        }
    }

    fn perform(&mut self, gateway: usize, actions: &[Action]) {
        for action in actions {
            let Action::Forward(RequestId(id), _) = action else { panic!("{action:?}") };
            self.running[gateway].push(*id);
        }
    }
}

#[test]
fn what_another_runs_is_taken_until_it_ends() {
    let mut gateways = Gateways::new(2, one_pod());
    gateways.meet_for(2);
    gateways.arrive(0, 1, 1, 9);
    gateways.meet_for(1);
    gateways.arrive(1, 2, 1, 9);
    gateways.meet_for(5);
    assert_eq!(gateways.running, [vec![1], vec![]]);
    gateways.finish(0, 1);
    gateways.meet_for(2);
    assert_eq!(gateways.running, [vec![], vec![2]]);
}

#[test]
fn what_a_gateway_ends_it_may_take_again_at_once() {
    let mut gateways = Gateways::new(2, one_pod());
    gateways.meet_for(2);
    gateways.arrive(0, 1, 1, 9);
    gateways.meet_for(5);
    gateways.arrive(0, 2, 1, 9);
    gateways.finish(0, 1);
    assert_eq!(gateways.running, [vec![2], vec![]]);
}

#[test]
fn one_busy_gateway_gets_all_of_a_pod() {
    let mut gateways = Gateways::new(4, one_pod());
    gateways.meet_for(2);
    (0..12).for_each(|id| gateways.arrive(0, id, 0, 60));
    assert_eq!(gateways.running[0].len(), 2, "its share");
    gateways.meet_for(20);
    assert_eq!(gateways.running[0].len(), 10);
}

#[test]
fn room_is_left_to_a_more_urgent_request_of_another_but_not_for_long() {
    for is_there in [true, false] {
        let mut gateways = Gateways::new(2, one_pod());
        gateways.meet_for(2);
        gateways.arrive(0, 1, 1, 5);
        gateways.meet_for(2);
        gateways.arrive(0, 2, 1, 9);
        gateways.arrive(1, 3, 1, 5);
        gateways.meet_for(2);
        gateways.finish(0, 1);
        assert_eq!(gateways.running, [[0_u32; 0]; 2], "a gateway gives way");
        if is_there {
            gateways.meet_for(2);
            assert_eq!(gateways.running, [vec![], vec![3]]);
        } else {
            // The other one does not look any more, though its word has not expired.
            for _ in 0..5 {
                gateways.now = gateways.now.after(INTERVAL);
                gateways.look(0);
            }
            assert_eq!(gateways.running, [vec![2], vec![]]);
        }
    }
}

#[test]
fn a_fresh_request_gives_way_to_a_more_urgent_one_of_another() {
    let mut gateways = Gateways::new(2, one_pod());
    gateways.meet_for(2);
    gateways.arrive(0, 1, 1, 5);
    gateways.meet_for(2);
    gateways.arrive(1, 3, 1, 5);
    gateways.meet_for(2);
    gateways.finish(0, 1);
    gateways.arrive(0, 2, 1, 9);
    assert_eq!(gateways.running, [[0_u32; 0]; 2]);
    gateways.meet_for(2);
    assert_eq!(gateways.running, [vec![], vec![3]]);
}

#[test]
fn a_request_that_is_hardly_more_urgent_gets_no_way() {
    let mut gateways = Gateways::new(2, one_pod());
    gateways.meet_for(2);
    gateways.arrive(0, 1, 1, 5);
    gateways.meet_for(2);
    gateways.arrive(1, 3, 1, 9);
    gateways.now = gateways.now.after(Duration::from_millis(50));
    gateways.arrive(0, 2, 1, 9);
    gateways.meet_for(2);
    gateways.finish(0, 1);
    assert_eq!(gateways.running, [vec![2], vec![]]);
}

#[test]
fn a_gateway_that_hears_nothing_keeps_to_its_share() {
    let mut gateways = Gateways::new(2, one_pod());
    gateways.meet_for(2);
    gateways.now = gateways.now.after(EXPIRE);
    for gateway in 0..2 {
        (0..12).for_each(|id| gateways.arrive(gateway, id, 0, 60));
        assert_eq!(gateways.running[gateway].len(), 5);
    }
    gateways.dispatchers[0].reckon_with(5, 0);
    gateways.finish(0, 0);
    gateways.finish(0, 1);
    gateways.finish(0, 2);
    assert_eq!(gateways.running[0].len(), 2, "one of five");
}

#[test]
fn a_gateway_that_hears_nothing_takes_the_others_to_run_as_much_as_itself() {
    let mut gateways = Gateways::new(2, pool(&[("a", 1, None), ("b", 1, None)]));
    gateways.meet_for(2);
    gateways.arrive(0, 1, 0, 9);
    let Dispatcher { coordinator, pool, requests, knowledge, .. } = &mut gateways.dispatchers[0];
    let reading = coordinator.read();
    let in_flight = |now| {
        let view = coordinator.view(&reading, pool, requests, knowledge.latency_models(), now);
        (0..2).map(|position| view.state(position).in_flight).sum::<u32>()
    };
    assert_eq!([gateways.now, gateways.now.after(EXPIRE)].map(in_flight), [1, 2]);
}

#[test]
fn others_load_is_not_in_ones_own_survey() {
    let mut gateways = Gateways::new(2, one_pod());
    gateways.meet_for(2);
    gateways.arrive(0, 1, 0, 9);
    gateways.meet_for(2);
    let now = gateways.now;
    let surveys = gateways.dispatchers.iter_mut().map(|dispatcher| dispatcher.survey(now).unwrap());
    let surveys: Vec<_> = surveys.map(|survey| (survey.in_flight, survey.replicas)).collect();
    assert_eq!(surveys, [(1, Some(2)), (0, Some(2))]);
}

#[test]
fn what_others_run_makes_the_value_that_every_placement_writes_no_larger() {
    let board_bytes = |others: usize| {
        let mut gateways = Gateways::new(2, pool(&[("a", 200, None)]));
        gateways.arrive(0, 1000, 0, 9);
        (0..others).for_each(|id| gateways.arrive(1, u32::try_from(id).unwrap(), 0, 9));
        gateways.meet_for(3);
        let coordinator = &gateways.dispatchers[0].coordinator;
        coordinator.store().get(&coordinator.keys().pool_state()).bytes.len()
    };
    assert_eq!(board_bytes(0), board_bytes(200));
}

/// Counts on each pod the requests that one gateway placed there, by the pod's number.
fn pods_of(gateways: &Gateways, gateway: usize) -> Vec<u32> {
    let dispatcher = &gateways.dispatchers[gateway];
    let count = |pod: &crate::scheduling::pool::Pod| {
        let of_pod = dispatcher.requests.loads().filter_map(|(_, loads)| loads.get(&pod.id));
        of_pod.map(|entry| entry.count).sum()
    };
    dispatcher.pool.pods().iter().map(count).collect()
}

#[test]
fn slo_attainment_goes_where_fewest_run_whichever_gateway_placed_them() {
    let mut gateways = Gateways::new(2, pool(&[("d", 2, Some(load_exchange::profile()))]));
    gateways.meet_for(2);
    gateways.ask(0, 1, attainment::SLO_ATTAINMENT);
    gateways.meet_for(2);
    gateways.ask(1, 2, attainment::SLO_ATTAINMENT);
    let [first, second] = [0, 1].map(|gateway| pods_of(&gateways, gateway));
    assert_eq!((first.iter().sum::<u32>(), second.iter().sum::<u32>()), (1, 1));
    assert_ne!(first, second);
}

#[test]
fn slo_attainment_holds_what_would_be_too_slow_beside_what_another_gateway_runs() {
    const MANY: u32 = 700;
    let mut gateways = Gateways::new(2, pool(&[("d", 1, Some(load_exchange::profile()))]));
    gateways.meet_for(2);
    (0..MANY).for_each(|id| gateways.ask(0, id, least_request::LEAST_REQUEST));
    assert_eq!(pods_of(&gateways, 0), [MANY]);
    gateways.meet_for(2);
    gateways.ask(1, MANY, attainment::SLO_ATTAINMENT);
    assert_eq!(pods_of(&gateways, 1), [0]);
    (1..MANY).for_each(|id| gateways.finish(0, id));
    gateways.meet_for(2);
    assert_eq!((pods_of(&gateways, 0), pods_of(&gateways, 1)), (vec![1], vec![1]));
}
