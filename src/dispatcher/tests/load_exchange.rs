//! Exchange between VMs of what they run and have learned, for a policy that goes by it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Fate, World, settings, well};
use crate::dispatcher::{End, Settings};
use crate::scheduling::policies::attainment;
use crate::scheduling::pool::DeploymentId;
use crate::scheduling::profile::Profile;
use crate::scheduling::request::Arrival;
use crate::scheduling::shape::Shape;
use crate::scheduling::slo::{Outcome, Slo};
use crate::scheduling::testing::{arrival, pool};

/// A pod that makes a token each 25 ms, for a request or ten.
pub(super) fn profile() -> Profile {
    let document = serde_json::json!({
        "gpu": "g", "indexes": [[64, 256], [64, 512]], "tputs": [[5.0, 2.0], [1.5, 0.8]],
        "e2e": [[1.6, 1.7], [6.4, 6.7]], "ttft": [[0.05, 0.12], [0.05, 0.12]],
    });
    Profile::from_json(document.to_string().as_bytes()).unwrap()
}

fn world(vms: usize, pods: u8) -> World {
    world_of(vms, pods, Some(profile()))
}

fn world_of(vms: usize, pods: u8, profile: Option<Profile>) -> World {
    World::new(vms, pool(&[("d", pods, profile)]), Settings { looks_at_runs: true, max_wait: MAX_WAIT, ..settings() })
}

const MAX_WAIT: Duration = Duration::from_secs(5);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    /// A request that is to take at most 50 ms for each token of its answer.
    fn ask(&mut self, vm: usize, id: u32, input_tokens: u32, output_tokens: u32) {
        let slo = Slo { e2e_per_output_token: Some(millis(50)), ..Slo::default() };
        let shape = Shape { output_tokens, input_tokens };
        let policy = attainment::SLO_ATTAINMENT;
        let arrival = Arrival { policy, shape, slo: Some(slo), streamed: true, ..arrival(id, 0, self.now) };
        self.arrive(vm, arrival);
    }

    /// A VM serves a request, and so becomes one that the others tell what they run.
    fn join(&mut self, vm: usize) {
        self.ask(vm, 0, 10, 1);
        self.finish(0, &well());
    }

    fn pod_of(&self, id: u32) -> String {
        match &self.requests[&id] {
            Fate::Running { address, .. } => address.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The model's error of the time per step, as a VM knows it: it falls with each lesson that the
    /// model predicts.
    fn error_in(&self, vm: usize) -> f64 {
        let deployment = DeploymentId::of(&"d".parse().unwrap());
        self.vms[vm].dispatcher.knowledge.latency_models().of(deployment).unwrap().error()
    }

    /// An answer of this length at 27 ms per token, to its end.
    fn answer(&mut self, id: u32, tokens: u32) {
        for token in 1..=tokens {
            self.wait(millis(27));
            self.progress(id, token);
        }
        let shape = Shape { output_tokens: tokens, input_tokens: 100 };
        self.finish(
            id,
            &End::Finished(Outcome { shape, cached_tokens: None, ttft: Duration::ZERO, e2e: Duration::ZERO }),
        );
    }
}

#[test]
fn a_vm_knows_what_runs_on_behalf_of_another() {
    let mut world = world(2, 2);
    world.join(1);
    world.ask(0, 1, 16_000, 64);
    world.wait(millis(20));
    world.ask(0, 2, 10, 64);
    assert_ne!(world.pod_of(1), world.pod_of(2));
    world.wait(millis(300));
    // By number the pods are alike; by what runs there the second one is quicker.
    for id in 3..8 {
        world.ask(1, id, 10, 64);
        assert_eq!(world.pod_of(id), world.pod_of(2));
        world.finish(id, &well());
    }
}

#[test]
fn what_runs_on_behalf_of_a_dead_vm_is_forgotten() {
    let mut world = world(2, 2);
    world.join(1);
    world.ask(0, 1, 16_000, 64);
    world.wait(millis(300));
    world.ask(1, 2, 10, 64);
    assert_eq!(world.vms[1].dispatcher.coordinator.runs_elsewhere().count(), 1);
    world.kill(0);
    world.wait(millis(2_500));
    assert_eq!(world.vms[1].dispatcher.coordinator.runs_elsewhere().count(), 0);
}

#[test]
fn what_one_vm_learned_all_know_and_one_that_comes_later_too() {
    let mut world = world(2, 1);
    world.ask(1, 0, 100, 64);
    world.finish(0, &well());
    let cold = world.error_in(1);
    for id in 1..6 {
        world.ask(0, id, 100, 64);
        world.answer(id, 64);
    }
    world.wait(millis(600));
    let known = world.error_in(0);
    assert!(known < cold, "{known} {cold}");
    assert_eq!(world.error_in(1), known);
    world.kill(0);
    world.ask(0, 7, 100, 64);
    world.wait(millis(600));
    assert_eq!(world.error_in(0), known);
}

#[test]
fn a_stream_teaches_while_it_goes_on() {
    let mut world = world(1, 1);
    world.ask(0, 1, 100, 1_000);
    let cold = world.error_in(0);
    for token in 1..=129 {
        world.wait(millis(27));
        world.progress(1, token);
    }
    assert!(world.error_in(0) < cold);
}

#[test]
fn nothing_is_learned_where_profiles_are_not_to_be_corrected() {
    let settings = Settings { looks_at_runs: true, corrects_profiles: false, ..settings() };
    let mut world = World::new(1, pool(&[("d", 1, Some(profile()))]), settings);
    let cold = world.error_in(0);
    world.ask(0, 1, 100, 200);
    world.answer(1, 200);
    world.wait(millis(600));
    assert_eq!(world.error_in(0), cold);
    assert_eq!(world.vms[0].dispatcher.survey(world.now).unwrap().speeds[0].of_profile, 1.0);
}

#[test]
fn the_survey_tells_how_fast_deployments_are() {
    let mut world = world(1, 1);
    world.ask(0, 0, 100, 64);
    let surveyed = |world: &mut World| world.vms[0].dispatcher.survey(world.now).unwrap().speeds.remove(0);
    assert_eq!((surveyed(&mut world).of_profile, surveyed(&mut world).slowest_pod), (1.0, 1.0));
    // It makes a token each 27 ms; its profile has 25 to 26.
    for id in 1..40 {
        world.ask(0, id, 100, 64);
        world.answer(id, 64);
    }
    let speed = surveyed(&mut world);
    assert_eq!(speed.deployment.to_string(), "default/d");
    assert!((1.02..1.2).contains(&(speed.of_profile * speed.slowest_pod)), "{speed:?}");
}

#[test]
fn the_survey_tells_whether_a_model_is_relied_on() {
    let is_relied_on = |profile: Option<Profile>, answers: u32| {
        let mut world = world_of(1, 1, profile);
        for id in 0..=answers {
            world.ask(0, id, 100, 64);
            world.answer(id, 64);
        }
        world.vms[0].dispatcher.survey(world.now).unwrap().speeds[0].is_relied_on
    };
    assert!(is_relied_on(Some(profile()), 1));
    assert!(!is_relied_on(None, 1));
    assert!(is_relied_on(None, 60));
}

/// Something happens; numbers count modulo what there is.
#[derive(Clone, Debug)]
enum Event {
    Ask { vm: usize, input: u32, output: u32 },
    Progress(usize, u32),
    Finish(usize),
    Cancel(usize),
    Wait(u64),
    Kill(usize),
    Interfere(u32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let n = || 0..1000_usize;
    let ask = (n(), 0..20_000_u32, 0..2_000_u32).prop_map(|(vm, input, output)| Event::Ask { vm, input, output });
    let event = prop_oneof![
        40 => ask,
        20 => (n(), 0..2_000_u32).prop_map(|(id, tokens)| Event::Progress(id, tokens)),
        15 => n().prop_map(Event::Finish),
        4 => n().prop_map(Event::Cancel),
        15 => (1..1_500_u64).prop_map(Event::Wait),
        2 => n().prop_map(Event::Kill),
        2 => (2..6_u32).prop_map(Event::Interfere),
    ];
    vec(event, 1..80)
}

fn happen(world: &mut World, id: u32, event: &Event) {
    let vms = world.vm_count();
    let any = |ids: Vec<u32>, number: usize| ids.get(number.checked_rem(ids.len())?).copied();
    match *event {
        Event::Ask { vm, input, output } => world.ask(vm % vms, id, input, output),
        Event::Progress(number, tokens) => {
            any(world.running(), number).into_iter().for_each(|id| world.progress(id, tokens));
        }
        Event::Finish(number) => any(world.running(), number).into_iter().for_each(|id| world.finish(id, &well())),
        Event::Cancel(number) => any(world.waiting(), number).into_iter().for_each(|id| world.cancel(id)),
        Event::Wait(span) => world.wait(millis(span)),
        Event::Kill(vm) => world.kill(vm % vms),
        Event::Interfere(one_in) => world.interfere(Some(one_in)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_comes_none_is_lost_none_waits_beyond_its_time_and_nothing_is_left(
        vms in 1..4_usize, events in events(),
    ) {
        let mut world = world(vms, 2);
        for (id, event) in (0..).zip(&events) {
            happen(&mut world, id, event);
        }
        world.interfere(None);
        world.wait(MAX_WAIT.saturating_add(millis(300)));
        prop_assert_eq!(world.waiting(), [0_u32; 0]);
        world.running().into_iter().for_each(|id| world.finish(id, &well()));
        world.wait(Duration::from_secs(3));
        world.assert_empty();
    }
}

/// Each tick finds something to exchange where they are a second late.
#[test]
fn of_late_ticks_whose_messages_are_lost_every_other_looks_at_what_waits() {
    let mut world = world(1, 1);
    (0..20).for_each(|id| world.ask(0, id, 4_000, 200));
    let waiting = world.waiting().len();
    assert!(waiting > 0);
    world.now = world.now.after(MAX_WAIT);
    let mut late_tick = || {
        world.now = world.now.after(Duration::from_secs(1));
        world.tick(0);
        while world.mail_count() > 0 {
            world.lose(0);
        }
        world.waiting().len()
    };
    let left = [late_tick(), late_tick()];
    assert!(left[0] == waiting && left[1] < waiting, "{left:?} of {waiting}");
}

#[test]
fn however_many_run_others_know_all_of_them_in_a_while_and_forget_those_that_end() {
    const RUNNING: u32 = 300;
    let mut world = world(2, 40);
    world.join(1);
    (1..=RUNNING).for_each(|id| world.ask(0, id, 10, 64));
    world.wait(millis(1_000));
    let mut ids = 1_000..;
    // Only to place a request does it look at all.
    let mut known = |world: &mut World| {
        for id in ids.by_ref().take(20) {
            world.ask(1, id, 10, 1);
            world.finish(id, &well());
            world.wait(millis(20));
        }
        world.vms[1].dispatcher.coordinator.runs_elsewhere().count()
    };
    let running = |world: &World| world.running().into_iter().filter(|id| *id <= RUNNING).count();
    assert_eq!(known(&mut world), running(&world));
    assert!(running(&world) > 200);
    (1..=RUNNING).filter(|id| id % 10 != 0).for_each(|id| world.finish(id, &well()));
    world.wait(millis(500));
    assert_eq!((known(&mut world), running(&world)), (30, 30));
}
