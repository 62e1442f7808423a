//! VMs that die and come back, and those that never serve.

use wasm_host::{Retire, Stream};

use crate::support::{Gateway, Sent, Shared, builder, filter, ms, s, world};

#[test]
fn a_dead_vms_load_is_back_after_two_seconds() {
    let world = world(&filter(1, 1), 2);
    let runs = world.ask(1);
    let waits = world.ask(0);
    world.advance(s(3));
    world.worker(1).kill();
    world.advance(ms(1_700));
    assert!(waits.is_paused(), "it may be alive");
    world.advance(ms(320));
    assert!(waits.is_running());
    assert!(!runs.is_ended());
    waits.finish();
    world.assert_idle();
    assert_eq!(Shared(&world).seats().len(), 1);
}

#[test]
fn gauges_are_right_though_the_last_vm_that_served_has_died() {
    let world = world(&filter(1, 1), 1);
    let _lost = [world.ask(0), world.ask(0)];
    world.advance(s(1));
    assert_eq!(world.gauge("slo_router.waiting_pool=test_"), Some(1));
    world.worker(0).kill();
    world.assert_idle();
}

#[test]
fn what_waited_in_a_dead_vm_counts_no_more() {
    let mut config = filter(1, 1);
    config["queue"]["max_requests"] = 2.into();
    let world = world(&config, 2);
    let runs = world.ask(0);
    let _lost = [world.ask(1), world.ask(1)];
    assert_eq!(world.ask(0).header("x-slo-router-reason").as_deref(), Some("queue_full"));
    world.worker(1).kill();
    world.advance(ms(2_300));
    let waits = world.ask(0);
    assert!(waits.is_paused());
    runs.finish();
    world.settle();
    assert!(waits.is_running(), "nobody gives way to the dead");
    waits.finish();
    world.assert_idle();
}

#[test]
fn a_new_vm_starts_anew_beside_its_dead_forerunner() {
    let world = world(&filter(1, 2), 1);
    world.advance(s(2));
    let lost = world.ask(0);
    world.worker(0).kill();
    let new = world.ask(0);
    assert_eq!((lost.context(), new.context()), (2, 2), "ids begin anew");
    assert!(new.is_running());
    let waits = world.ask(0);
    assert!(waits.is_paused(), "the dead VM's request still runs, as far as anybody knows");
    assert_eq!((Shared(&world).seats().len(), Shared(&world).in_flight()), (2, 2));
    world.advance(ms(2_300));
    assert!(waits.is_running());
    assert_eq!((Shared(&world).seats().len(), Shared(&world).in_flight()), (1, 2));
    // The dead VM's stream ends without the filter, and so without a second release.
    lost.respond(200, []);
    assert_eq!(lost.status(), Some(503));
    assert_eq!(Shared(&world).in_flight(), 2);
    new.finish();
    waits.finish();
    world.assert_idle();
}

#[test]
fn slots_are_used_again_however_often_vms_die() {
    let world = world(&filter(1, 1), 2);
    let mut slots = Vec::new();
    for _ in 0..300 {
        world.advance(ms(2_300));
        world.ask(0);
        slots.extend(Shared(&world).seats().iter().map(|seat| seat.fence.slot));
        world.worker(0).kill();
        world.clear_history();
    }
    assert_eq!((slots.len(), slots.iter().max()), (300, Some(&0)));
    let epochs = Shared(&world).seats().iter().map(|seat| seat.fence.epoch).max();
    assert_eq!(epochs, Some(300));
}

#[test]
fn seats_that_are_all_taken_stop_nobody() {
    let world = world(&filter(1, 1), 1);
    world.advance(s(1));
    // Each VM dies with its seat, faster than the seats of the dead are given up: 256 of them, and some.
    let builder = builder(&filter(1, 300)).timing(|timing| timing.reload_backoff = ms(1));
    let world = builder.build().unwrap();
    for _ in 0..260 {
        world.advance(ms(5));
        assert!(world.ask(0).is_running());
        world.worker(0).kill();
    }
    assert_eq!(Shared(&world).seats().len(), 256);
    world.advance(ms(5));
    let without_a_seat = world.ask(0);
    assert!(without_a_seat.is_running());
    world.advance(s(3));
    without_a_seat.finish();
    world.ask(0).finish();
    world.assert_idle();
    assert_eq!(Shared(&world).seats().len(), 1, "it has one now");
}

#[test]
fn vms_that_never_serve_take_no_seat() {
    let world = world(&filter(1, 1), 3);
    world.advance(s(5));
    assert_eq!(Shared(&world).seats().len(), 0);
    world.ask(1).finish();
    world.advance(s(5));
    assert_eq!(Shared(&world).seats().len(), 1);
    world.assert_idle();
}

#[test]
fn a_canary_takes_no_mailbox_away() {
    let mut config = filter(1, 1);
    let world = world(&config, 2);
    let first = world.ask(0);
    let waits: Vec<Stream> = (0..4).map(|index| world.ask(index % 2)).collect();
    // A refused update leaves nothing but a canary that came and went.
    config["policy"] = "none".into();
    assert!(world.update(config.to_string(), Retire::AfterLastStream).is_err());
    first.finish();
    for _ in 0..4 {
        world.settle();
        let running: Vec<_> = waits.iter().filter(|stream| stream.is_running()).collect();
        assert_eq!(running.len(), 1, "woken by a message, not by a tick");
        running[0].finish();
    }
    world.assert_idle();
}
