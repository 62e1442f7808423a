//! Random runs: whatever comes, no pod is filled above its capacity, none is lost or forwarded
//! twice, nothing that fits waits, and in the end nothing is charged.

use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Fate, World, settings, well};
use crate::dispatcher::End;
use crate::scheduling::pool::Pool;
use crate::scheduling::profile::Profile;
use crate::scheduling::testing::{pool, profile, urgent};

/// Something happens; numbers count modulo what there is.
#[derive(Clone, Debug)]
enum Event {
    Arrive { vm: usize, shape: usize, e2e_ms: u64 },
    Finish(usize),
    Cancel(usize),
    PodFails(usize),
    Deliver(usize),
    Lose(usize),
    Double(usize),
    Wait(u64),
    Stall { vm: usize, millis: u64 },
    Kill(usize),
    SetPool { vm: usize, fast: u8, slow: u8 },
    Interfere(u32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let n = || 0..1000_usize;
    let arrive = (n(), 0..4_usize, 100..12_000_u64).prop_map(|(vm, shape, e2e_ms)| Event::Arrive { vm, shape, e2e_ms });
    let stall = (n(), 1..1_500_u64).prop_map(|(vm, millis)| Event::Stall { vm, millis });
    let set_pool = (n(), 0..3_u8, 1..3_u8).prop_map(|(vm, fast, slow)| Event::SetPool { vm, fast, slow });
    let event = prop_oneof![
        40 => arrive,
        25 => n().prop_map(Event::Finish),
        5 => n().prop_map(Event::Cancel),
        2 => n().prop_map(Event::PodFails),
        20 => n().prop_map(Event::Deliver),
        4 => n().prop_map(Event::Lose),
        4 => n().prop_map(Event::Double),
        15 => (1..800_u64).prop_map(Event::Wait),
        2 => stall,
        2 => n().prop_map(Event::Kill),
        2 => set_pool,
        2 => (2..6_u32).prop_map(Event::Interfere),
    ];
    vec(event, 1..120)
}

fn fast() -> Profile {
    profile(&[(0.1, 1.0), (0.25, 1.0), (0.4, 2.0), (1.0, 2.0)], 5.0)
}

fn slow() -> Profile {
    profile(&[(0.2, 2.0), (0.5, 2.0), (0.6, 4.0), (0.0, 5.0)], 5.0)
}

fn pods(fast_pods: u8, slow_pods: u8) -> Pool {
    pool(&[("fast", fast_pods, Some(fast())), ("slow", slow_pods, Some(slow()))])
}

fn pick(ids: &[u32], number: usize) -> Option<u32> {
    ids.get(number.checked_rem(ids.len())?).copied()
}

fn happen(world: &mut World, id: u32, event: &Event) {
    let vms = world.vm_count();
    let mail = world.mail_count();
    match *event {
        Event::Arrive { vm, shape, e2e_ms } => {
            world.arrive(vm % vms, urgent(id, shape, world.now, Duration::from_millis(e2e_ms)));
        }
        Event::Finish(number) => pick(&world.running(), number).into_iter().for_each(|id| world.finish(id, &well())),
        Event::PodFails(number) => {
            pick(&world.running(), number).into_iter().for_each(|id| world.finish(id, &End::PodFailed));
        }
        Event::Cancel(number) => {
            let there = world.ids(|fate| matches!(fate, Fate::Running { .. } | Fate::Waiting { .. }));
            pick(&there, number).into_iter().for_each(|id| world.cancel(id));
        }
        Event::Deliver(number) if mail > 0 => world.deliver(number % mail),
        Event::Lose(number) if mail > 0 => world.lose(number % mail),
        Event::Double(number) if mail > 0 => world.double(number % mail),
        Event::Deliver(_) | Event::Lose(_) | Event::Double(_) => {}
        Event::Wait(millis) => world.wait(Duration::from_millis(millis)),
        Event::Stall { vm, millis } => world.stall(vm % vms, Duration::from_millis(millis)),
        Event::Kill(vm) => world.kill(vm % vms),
        Event::SetPool { vm, fast, slow } => world.set_pool(vm % vms, Rc::new(pods(fast, slow))),
        Event::Interfere(one_in) => world.interfere(Some(one_in)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_run_keeps_to_capacity_loses_nothing_and_leaves_no_room_idle(vms in 1..5_usize, events in events()) {
        let mut world = World::new(vms, pods(2, 1), settings());
        for (id, event) in (0..).zip(&events) {
            happen(&mut world, id, event);
        }
        world.interfere(None);
        for vm in 0..vms {
            world.stall(vm, Duration::ZERO);
            world.set_pool(vm, Rc::new(pods(2, 1)));
        }
        // Dead VMs are given up, pods that failed come back, and what was claimed by VMs that
        // looked in vain is taken.
        world.wait(Duration::from_millis(2_500));
        world.settle();
        while !world.running().is_empty() {
            let ids = world.running();
            ids.into_iter().for_each(|id| world.finish(id, &well()));
            world.settle();
        }
        let left = world.waiting();
        left.into_iter().for_each(|id| world.cancel(id));
        world.deliver_all();
        world.assert_empty();
    }
}
