//! Clocks that step and ticks that come late.

use wasm_host::{Stream, World};

use crate::support::{Gateway, Sent, all_leave, builder, filter, ms, s};

/// A minute in which requests come, wait, run and are refused; what was seen of it.
fn a_minute(step: impl Fn(&World, usize)) -> Vec<(Option<u16>, Option<String>, Option<String>)> {
    let mut config = filter(2, 1);
    config["queue"]["max_wait"] = "5s".into();
    let world = builder(&config).workers(2).build().unwrap();
    let mut streams: Vec<Stream> = Vec::new();
    for second in 0..60 {
        step(&world, second);
        streams.push(world.ask(second % 2));
        world.advance(ms(500));
        // Each runs two seconds or so, so most wait, and some too long.
        if second % 2 == 0
            && let Some(oldest) = streams.iter().find(|stream| stream.is_running())
        {
            oldest.finish();
        }
        if second % 20 == 10
            && let Some(runs) = streams.iter().find(|stream| stream.is_running())
        {
            runs.respond(500, []).body("");
        }
        world.advance(ms(500));
    }
    let seen = streams.iter().map(|stream| (stream.status(), stream.pod(), stream.header("x-slo-router-wait-ms")));
    let seen = seen.collect();
    all_leave(&streams);
    world.assert_idle();
    seen
}

#[test]
fn steps_of_the_wall_clock_change_nothing() {
    let undisturbed = a_minute(|_, _| {});
    assert!(undisturbed.iter().any(|(status, ..)| *status == Some(429)), "{undisturbed:?}");
    let hour = s(3_600);
    let forth = a_minute(|world, second| {
        if second % 7 == 3 {
            world.step_wall_clock(hour)
        }
    });
    assert_eq!(forth, undisturbed);
    let back = a_minute(|world, second| {
        if second % 7 == 3 {
            world.step_wall_clock_back(hour)
        }
    });
    assert_eq!(back, undisturbed);
}

#[test]
fn late_ticks_delay_no_release() {
    let world = builder(&filter(1, 1)).workers(2).timing(|timing| timing.tick_lag = s(1)).build().unwrap();
    let mut runs = world.ask(0);
    let mut waits: Vec<Stream> = (0..20).map(|index| world.ask(index % 2)).collect();
    while !waits.is_empty() {
        runs.finish();
        world.settle();
        let next = waits.iter().position(Sent::is_running).expect("a message wakes, not a tick");
        runs = waits.remove(next);
    }
    runs.finish();
    world.assert_idle();
}

#[test]
fn late_ticks_cost_what_waits_too_long_no_more_than_they_are_late() {
    let mut config = filter(1, 1);
    config["queue"]["max_wait"] = "3s".into();
    let world = builder(&config).workers(2).timing(|timing| timing.tick_lag = s(1)).build().unwrap();
    let runs = world.ask(0);
    let waits = [world.ask(0), world.ask(1)];
    world.advance(ms(2_990));
    assert!(waits.iter().all(Stream::is_paused));
    world.advance(ms(1_100));
    assert!(waits.iter().all(|stream| stream.status() == Some(429)));
    runs.finish();
    world.assert_idle();
}

#[test]
fn late_ticks_let_no_living_vm_be_taken_for_dead() {
    let world = builder(&filter(1, 1)).workers(2).timing(|timing| timing.tick_lag = s(1)).build().unwrap();
    let _runs = world.ask(0);
    let waits = world.ask(1);
    for _ in 0..600 {
        world.advance(ms(50));
        assert!(waits.is_paused());
    }
}
