//! `slo-attainment`: what VMs tell each other of single requests, and what they hold.

use serde_json::{Value, json};
use slo_router::scheduling::run::Progress;
use slo_router::shared::runs::Placed;
use wasm_host::{RequestBuilder, Stream, World};

use crate::support::{Gateway, Sent, Shared, all_leave, by_token, ms, s, world};

/// Characters of a token before anything was learned.
const CHARACTERS: usize = 4;

/// Pods that make a token each 25 ms, for a request or ten; requests are to take at most 50 ms for each.
fn config(pods: usize) -> Value {
    by_token(pods, "slo-attainment", "50ms")
}

fn long(world: &World, worker: usize, tokens: usize, stream: bool) -> RequestBuilder {
    let text = "word".repeat(tokens * CHARACTERS / 4);
    let body = json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": text }] });
    world.chat(worker).body(body.to_string())
}

fn answer(stream: &Stream, tokens: usize) {
    stream.respond(200, [("content-type", "text/event-stream")]);
    event(stream, tokens);
}

fn event(stream: &Stream, tokens: usize) {
    stream.chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".repeat(tokens).as_bytes());
}

/// Two workers that serve, so that one tells the other.
fn two_workers(config: &Value) -> World {
    let world = world(config, 2);
    world.ask(1).finish();
    world
}

fn told(world: &World) -> Vec<Placed> {
    world.advance(ms(300));
    Shared(world).runs()
}

#[test]
fn what_runs_is_told_with_how_far_its_answer_is() {
    let world = two_workers(&config(1));
    let streams = [true, true, false].map(|stream| long(&world, 0, 100, stream).send());
    answer(&streams[1], 3);
    let told = told(&world);
    let progress: Vec<Progress> = told.iter().map(|placed| placed.run.progress).collect();
    assert_eq!((progress[0], progress[2]), (Progress::Prefilling, Progress::Unseen));
    assert!(matches!(progress[1], Progress::Decoding { tokens: 3, .. }), "{progress:?}");
    assert!(told.iter().all(|placed| (90..120).contains(&placed.run.prompt_tokens)), "{told:?}");
    all_leave(&streams);
    world.assert_idle();
}

#[test]
fn by_headers_an_answer_shows_itself_that_it_is_streamed() {
    let mut config = config(1);
    config["request"] = json!({ "inspect": "headers" });
    let world = two_workers(&config);
    let stream = long(&world, 0, 100, true).send();
    assert_eq!(told(&world)[0].run.progress, Progress::Unseen);
    answer(&stream, 0);
    event(&stream, 1);
    assert!(matches!(told(&world)[0].run.progress, Progress::Decoding { tokens: 1, .. }));
    stream.end();
    world.assert_idle();
    assert_eq!(told(&world).len(), 0);
}

#[test]
fn prompts_that_would_stall_each_other_beyond_their_objective_are_held_whichever_worker_they_come_to() {
    for workers in [1, 4] {
        let world = world(&config(1), workers);
        let streams: Vec<Stream> = (0..40)
            .map(|number| {
                world.advance(ms(25));
                long(&world, number % workers, 3_000, true).send()
            })
            .collect();
        let sent = streams.iter().filter(|stream| stream.is_running()).count();
        assert!((5..30).contains(&sent), "{sent} of 40 by {workers} workers");
        for _ in 0..100 {
            streams.iter().filter(|stream| stream.is_running()).for_each(|stream| stream.finish());
            world.advance(s(1));
        }
        let statuses: Vec<Option<u16>> = streams.iter().map(Sent::status).collect();
        assert!(statuses.iter().all(|status| *status == Some(200)), "{statuses:?}");
        world.assert_idle();
    }
}

#[test]
fn a_model_that_lost_its_profile_and_learned_nothing_is_served_by_least_request() {
    let mut config = config(2);
    config["profiles"] = json!({});
    // All prompts are alike, and would go where one of them is.
    config["prefix"] = json!("off");
    let world = world(&config, 2);
    let streams: Vec<Stream> = (0..40).map(|number| long(&world, number % 2, 3_000, true).send()).collect();
    let on_pods = crate::support::on_pods(&streams);
    assert_eq!(on_pods.values().copied().collect::<Vec<_>>(), [20, 20]);
    all_leave(&streams);
    world.assert_idle();
}

#[test]
fn what_was_learned_of_a_pods_speed_outlives_the_vm_that_learned_it() {
    let world = world(&config(1), 2);
    for _ in 0..4 {
        let stream = long(&world, 0, 100, true).send();
        answer(&stream, 1);
        for _ in 0..40 {
            world.advance(ms(60));
            event(&stream, 1);
        }
        stream.body("data: [DONE]\n\n");
    }
    world.advance(ms(600));
    let model_of = |deployment| serde_json::to_value(Shared(&world).learned(deployment)).unwrap()["model"].clone();
    let model = model_of("default/a");
    assert_ne!(model, model_of("default/other"), "four answers teach");
    world.worker(0).kill();
    world.ask(1).finish();
    world.advance(ms(600));
    assert_eq!(model_of("default/a"), model, "an answer of five tokens does not");
}

#[test]
fn nothing_is_told_where_no_policy_asks_for_it() {
    let mut config = config(1);
    config["policy"] = json!("slo-least-load");
    config["profiles"]["correct"] = json!(false);
    let world = two_workers(&config);
    let stream = world.ask(0);
    assert_eq!(told(&world).len(), 0);
    stream.finish();
    config["allowed_strategies"] = json!(["slo-attainment"]);
    let world = two_workers(&config);
    let stream = world.ask(0);
    assert_eq!(told(&world).len(), 1);
    stream.finish();
}
