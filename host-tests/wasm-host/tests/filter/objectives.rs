//! The order of what waits: by what its objective leaves it.

use serde_json::{Value, json};
use wasm_host::{Stream, World};

use crate::support::{Gateway, Sent, all_leave, filter, ms, profile_with, s, with_large, world};

/// A request with such headers that can be told apart.
fn ask(world: &World, worker: usize, name: &str, headers: &[(&str, &str)]) -> Stream {
    let chat = world.chat(worker).header("x-test-name", name);
    headers.iter().fold(chat, |chat, (header, value)| chat.header(header, value)).send()
}

/// Finishes one after the other; the names in the order in which they ran.
fn order(world: &World, first: &Stream, waiting: &[Stream]) -> Vec<String> {
    let mut names = Vec::new();
    let mut runs = first.clone();
    for _ in waiting {
        runs.finish();
        world.settle();
        let running: Vec<&Stream> = waiting.iter().filter(|stream| stream.is_running()).collect();
        assert_eq!(running.len(), 1);
        runs = running[0].clone();
        names.push(runs.upstream_headers().unwrap().get("x-test-name").unwrap().to_owned());
    }
    runs.finish();
    world.assert_idle();
    names
}

fn with_queue(queue: Value) -> Value {
    let mut config = filter(1, 1);
    config["queue"] = queue;
    config
}

#[test]
fn objectives_of_all_kinds_stand_in_one_order_by_slack() {
    for workers in [1, 3] {
        let world = world(&filter(1, 1), workers);
        let first = world.ask(0);
        // 256 output tokens and 3 or 4 of input are expected; a second end to end, a quarter of it to the first token.
        let waiting: Vec<Stream> = [
            ("default: 59 s", &[][..]),
            ("e2e 20 s: 19 s", &[("x-slo-e2e-ms", "20000")]),
            ("tpot 40 ms: 9.24 s", &[("x-slo-tpot-ms", "40")]),
            ("ttft 5 s: 4.75 s", &[("x-slo-ttft-ms", "5000")]),
            ("tpot 40 ms, ttft 5 s: 14.24 s", &[("x-slo-tpot-ms", "40"), ("x-slo-ttft-ms", "5000")]),
            ("per output token 100 ms: 24.6 s", &[("x-slo-e2e-per-output-token-ms", "100")]),
            (
                "per output token 100 ms, base 10 s: 34.6 s",
                &[("x-slo-e2e-per-output-token-ms", "100"), ("x-slo-e2e-base-ms", "10000")],
            ),
            ("per token 150 ms: 38 s", &[("x-slo-e2e-per-token-ms", "150")]),
        ]
        .into_iter()
        .enumerate()
        .map(|(index, (name, headers))| ask(&world, index % workers, name, headers))
        .collect();
        let expected = [
            "ttft 5 s: 4.75 s",
            "tpot 40 ms: 9.24 s",
            "tpot 40 ms, ttft 5 s: 14.24 s",
            "e2e 20 s: 19 s",
            "per output token 100 ms: 24.6 s",
            "per output token 100 ms, base 10 s: 34.6 s",
            "per token 150 ms: 38 s",
            "default: 59 s",
        ];
        assert_eq!(order(&world, &first, &waiting), expected, "{workers} workers");
    }
}

#[test]
fn waiting_counts() {
    let world = world(&filter(1, 1), 1);
    let first = world.ask(0);
    let early = ask(&world, 0, "early", &[("x-slo-e2e-ms", "20000")]);
    world.advance(s(2));
    let tighter = ask(&world, 0, "tighter", &[("x-slo-e2e-ms", "17000")]);
    let looser = ask(&world, 0, "looser", &[("x-slo-e2e-ms", "19000")]);
    assert_eq!(order(&world, &first, &[early, tighter, looser]), ["tighter", "early", "looser"]);
}

#[test]
fn headers_count_only_where_allowed() {
    let mut config = filter(1, 1);
    config["slo"]["allow_headers"] = json!(false);
    let world = world(&config, 1);
    let first = world.ask(0);
    let waiting = [ask(&world, 0, "first", &[]), ask(&world, 0, "urgent", &[("x-slo-e2e-ms", "2000")])];
    assert_eq!(order(&world, &first, &waiting), ["first", "urgent"]);
}

#[test]
fn the_objective_of_a_class_goes_before_the_models_and_the_default() {
    let mut config = filter(1, 1);
    config["profiles"]["inline"][0]["profile"]["slos"] = json!({ "percentile": 99 });
    config["models"] = json!({ "m": { "slo": { "e2e": "30s" } }, "adapter": { "base": "m" } });
    config["classes"] =
        json!([{ "name": "gold", "header": { "name": "x-class", "value": "gold" }, "slo": { "e2e": "10s" } }]);
    let world = world(&config, 2);
    let first = world.ask(0);
    let adapter = world.worker(1).request().to("POST", "/v1/chat/completions").header("x-test-name", "default 60 s");
    let adapter = adapter.body(r#"{"model": "adapter", "messages": []}"#).send();
    let waiting = [
        adapter,
        ask(&world, 1, "model 30 s", &[]),
        ask(&world, 0, "class 10 s", &[("x-class", "gold")]),
        ask(&world, 1, "header 5 s", &[("x-class", "gold"), ("x-slo-e2e-ms", "5000")]),
        ask(&world, 1, "no such class: 30 s", &[("x-class", "silver")]),
    ];
    let expected = ["header 5 s", "class 10 s", "model 30 s", "no such class: 30 s", "default 60 s"];
    assert_eq!(order(&world, &first, &waiting), expected);
    assert_eq!(world.count("requests_total", "_class=gold__policy=slo__outcome=kept_"), 2);
}

/// Of three that wait, one is late, one is later still, and one is in time.
fn two_late_and_one_in_time(late: &str, workers: usize) -> (World, Stream, [Stream; 3]) {
    let world = world(&with_queue(json!({ "late": late })), workers);
    let first = world.ask(0);
    let late = ask(&world, 0, "late", &[("x-slo-e2e-ms", "1500")]);
    let later = ask(&world, workers - 1, "later", &[("x-slo-e2e-ms", "1200")]);
    let timely = ask(&world, 0, "timely", &[("x-slo-e2e-ms", "20000")]);
    world.advance(s(1));
    (world, first, [late, later, timely])
}

#[test]
fn the_late_go_last() {
    for workers in [1, 2] {
        let (world, first, waiting) = two_late_and_one_in_time("last", workers);
        assert_eq!(order(&world, &first, &waiting), ["timely", "later", "late"]);
    }
}

#[test]
fn the_late_go_first_where_so_configured() {
    for workers in [1, 2] {
        let (world, first, waiting) = two_late_and_one_in_time("first", workers);
        assert_eq!(order(&world, &first, &waiting), ["later", "late", "timely"]);
    }
}

#[test]
fn the_late_are_refused_where_so_configured() {
    let (world, first, [late, later, timely]) = two_late_and_one_in_time("reject", 2);
    assert_eq!([late.status(), later.status(), timely.status()], [Some(429), Some(429), None]);
    assert_eq!(order(&world, &first, &[timely]), ["timely"]);
}

/// Small requests keep coming, each as soon as one has ended, and a large one waits that needs the whole pod.
fn large_beside_small(workers: usize) -> (World, Vec<Stream>, Stream) {
    let mut config = with_large(4);
    config["queue"] = json!({ "max_wait": "60s" });
    let world = world(&config, workers);
    let small = (0..4).map(|index| world.ask(index % workers)).collect();
    let large = world.worker(workers - 1).request().to("POST", "/v1/chat/completions");
    let large = large.header("x-slo-e2e-ms", "30000").body(r#"{"model": "large", "messages": []}"#).send();
    assert!(large.is_paused());
    (world, small, large)
}

#[test]
fn one_that_has_waited_for_half_its_slack_has_a_pod_drained_for_it() {
    for workers in [1, 2] {
        let (world, mut small, large) = large_beside_small(workers);
        let mut started = None;
        for step in 0..200 {
            if large.is_running() {
                started = Some(step);
                break;
            }
            // One ends, and another one comes that is more urgent than the large one.
            small.iter().find(|stream| stream.is_running()).unwrap().finish();
            small.push(world.ask_within(step % workers, 5_000));
            world.advance(ms(100));
            small.retain(|stream| !stream.is_ended());
        }
        let started = started.expect("it would starve");
        // Half of 29 s, plus the draining of four.
        assert!((145..=151).contains(&started), "{workers} workers: after {started} tenths of a second");
        large.finish();
        for _ in 0..20 {
            world.advance(ms(20));
            small.iter().filter(|stream| stream.is_running()).for_each(Sent::finish);
        }
        all_leave(&small);
        world.assert_idle();
    }
}

#[test]
fn a_reservation_ends_with_its_client() {
    let (world, small, large) = large_beside_small(2);
    world.advance(s(15));
    small[0].finish();
    let waits = [world.ask(0), world.ask(1)];
    world.advance(ms(20));
    assert!(waits.iter().all(Stream::is_paused), "the pod drains");
    large.client_reset();
    world.settle();
    assert!(waits[0].is_running() != waits[1].is_running(), "there is room for one");
    all_leave(small.iter().chain(&waits));
    world.assert_idle();
}

#[test]
fn of_two_deployments_the_one_that_leaves_more_slack_is_filled_first() {
    let mut config = filter(2, 1);
    config["pods"]["static"][1]["deployment"] = json!("default/b");
    config["profiles"]["inline"] = json!([profile_with("default/a", 2, 8.0), profile_with("default/b", 1, 2.0)]);
    let world = world(&config, 2);
    let streams: Vec<Stream> = (0..4).map(|index| world.ask(index % 2)).collect();
    let pods: Vec<_> = streams.iter().map(|stream| stream.pod().map(|pod| pod.contains(".0.0.1:"))).collect();
    assert_eq!(pods, [Some(false), Some(true), Some(true), None]);
    // One that cannot be in time on the slow one waits for the fast one.
    let urgent = world.ask_within(1, 6_000);
    streams[1].finish();
    world.settle();
    assert!(urgent.is_paused() && streams[3].is_running());
    streams[0].finish();
    world.settle();
    assert!(urgent.pod().unwrap().contains(".0.0.2:"));
    all_leave(streams.iter().chain([&urgent]));
    world.assert_idle();
}
