//! Two configurations side by side, while the old one drains.

use serde_json::{Value, json};
use wasm_host::{Retire, Stream};

use crate::support::{Gateway, Sent, Shared, address, drain, entry, filter, ms, profile, s, world};

/// The pods of these numbers, of which each takes one request; `mark` tells configurations apart.
fn of_pods(pods: &[usize], mark: u32) -> Value {
    let mut config = filter(0, 1);
    config["pods"]["static"] = pods.iter().map(|pod| entry(*pod, "default/a")).collect();
    config["queue"] = json!({ "max_requests": 1000 + mark });
    config
}

#[test]
fn what_waits_in_the_old_root_is_served_by_it() {
    let world = world(&of_pods(&[0], 0), 2);
    let runs = world.ask(0);
    let old = [world.ask(0), world.ask(1)];
    world.update(of_pods(&[0], 1).to_string(), Retire::AfterLastStream).unwrap();
    let new = [world.ask(0), world.ask(1)];
    assert!(old.iter().chain(&new).all(Stream::is_paused), "the old root's request takes the only room");
    assert_eq!(Shared(&world).seats().len(), 4);
    runs.finish();
    for _ in 0..4 {
        world.settle();
        let running: Vec<_> = old.iter().chain(&new).filter(|stream| stream.is_running()).collect();
        assert_eq!(running.len(), 1, "old and new share the room");
        running[0].finish();
    }
    world.assert_idle();
    assert_eq!(Shared(&world).seats().len(), 2, "the old roots' seats are free");
}

#[test]
fn a_seat_is_given_up_at_once_when_the_root_ends() {
    let world = world(&of_pods(&[0], 0), 1);
    let old = world.ask(0);
    world.update(of_pods(&[0], 1).to_string(), Retire::AfterLastStream).unwrap();
    world.advance(s(1));
    assert_eq!(Shared(&world).seats().len(), 1);
    old.finish();
    assert_eq!((Shared(&world).seats().len(), Shared(&world).in_flight()), (0, 0));
}

#[test]
fn pods_that_the_new_configuration_has_not_take_no_new_work() {
    let world = world(&of_pods(&[0, 1], 0), 1);
    let running = [world.ask(0), world.ask(0)];
    let old = [world.ask(0), world.ask(0)];
    world.advance(s(1));
    world.update(of_pods(&[1, 2], 1).to_string(), Retire::AfterLastStream).unwrap();
    let new = world.ask(0);
    // It gives way to the old root's claims, which cannot take that room up, for some ticks.
    world.advance(ms(50));
    assert_eq!(new.pod(), Some(address(2)), "pod 1 still runs an old request, pod 2 is new");
    let (on_gone, on_kept) = if running[0].pod() == Some(address(0)) { (0, 1) } else { (1, 0) };
    running[on_gone].finish();
    world.advance(ms(50));
    assert!(old.iter().all(Stream::is_paused), "pod 0 takes nothing more");
    running[on_kept].finish();
    world.settle();
    assert_eq!(old.iter().filter_map(Sent::pod).collect::<Vec<_>>(), [address(1)]);
    let first = old.iter().find(|stream| stream.is_running()).unwrap();
    first.finish();
    world.settle();
    assert_eq!(old[1].pod(), Some(address(1)));
    old[1].finish();
    new.finish();
    world.assert_idle();
}

#[test]
fn a_drained_listener_cuts_what_is_left_and_its_load_is_back() {
    let world = world(&of_pods(&[0], 0), 2);
    let (runs, waits) = (world.ask(0), world.ask(1));
    world.update(of_pods(&[0], 1).to_string(), Retire::After(s(5))).unwrap();
    let new = world.ask(1);
    world.advance(ms(4_900));
    assert!(new.is_paused() && waits.is_paused());
    world.advance(ms(200));
    assert!(runs.is_ended() && waits.is_ended() && new.is_running());
    assert!(waits.upstream_headers().is_none());
    new.finish();
    world.assert_idle();
}

#[test]
fn a_refused_update_changes_nothing() {
    let world = world(&of_pods(&[0], 0), 2);
    let (runs, waits) = (world.ask(0), world.ask(1));
    for bad in ["", "{", "{}", r#"{"pods": {"static": []}}"#, r#"{"pods": {"http": {"cluster": "c"}}}"#] {
        let refused = world.update(bad, Retire::AfterLastStream).unwrap_err();
        assert!(refused.reason.contains("slo-router: configuration refused:"), "{refused}");
    }
    assert_eq!(Shared(&world).seats().len(), 2);
    runs.finish();
    world.settle();
    assert!(waits.is_running());
    waits.finish();
    world.assert_idle();
}

#[test]
fn a_change_back_and_forth_leaves_the_pools_right() {
    let world = world(&of_pods(&[0, 1], 0), 2);
    let mut streams = Vec::new();
    for round in 0..6_u32 {
        streams.extend([world.ask(0), world.ask(1), world.ask(1)]);
        let pods: &[usize] = if round % 2 == 0 { &[1, 2] } else { &[0, 1] };
        world.update(of_pods(pods, (round + 1) % 2).to_string(), Retire::AfterLastStream).unwrap();
        world.advance(ms(300));
        let on_pods = crate::support::on_pods(&streams);
        assert!(on_pods.values().all(|count| *count == 1), "{on_pods:?}");
    }
    drain(&world, &streams);
    world.assert_idle();
}

#[test]
fn an_update_charges_what_already_runs() {
    let world = world(&of_pods(&[0], 0), 1);
    let runs = world.ask(0);
    let mut larger = of_pods(&[0], 0);
    larger["profiles"]["inline"] = json!([profile("default/a", 2)]);
    world.update(larger.to_string(), Retire::AfterLastStream).unwrap();
    let new = [world.ask(0), world.ask(0)];
    // By the old root's profile the pod is full with its request.
    assert!(new.iter().all(Stream::is_paused));
    runs.finish();
    world.settle();
    assert!(new.iter().all(Sent::is_running));
    new.iter().for_each(Sent::finish);
    world.assert_idle();
}
