//! Reading of requests: by their bodies, however those come, or by their headers.

use serde_json::json;
use wasm_host::Stream;

use crate::support::{Gateway, Sent, Shared, address, builder, filter, ms, s, world};

const BODY: &str = r#"{"model": "m", "messages": [{"role": "user", "content": "Say hello."}]}"#;

fn assert_arrived_whole(stream: &Stream, body: &str) {
    assert_eq!(stream.pod(), Some(address(0)));
    assert_eq!(String::from_utf8(stream.upstream_body()).unwrap(), body);
    assert!(stream.upstream_complete());
}

#[test]
fn a_body_in_pieces_is_read_at_its_end_and_arrives_whole() {
    let world = world(&filter(1, 100), 1);
    for size in [1, 7, BODY.len() - 1, BODY.len()] {
        let pieces = BODY.as_bytes().chunks(size).map(<[u8]>::to_vec);
        let stream = world.chat(0).chunks(pieces).open().send();
        assert!(stream.is_paused(), "more may come");
        stream.send_last("");
        assert_arrived_whole(&stream, BODY);
    }
}

#[test]
fn a_body_whose_last_piece_carries_the_end_arrives_whole() {
    let world = world(&filter(1, 1), 1);
    let stream = world.chat(0).chunks([]).open().send();
    stream.send(&BODY[..20]);
    stream.send_last(&BODY[20..]);
    assert_arrived_whole(&stream, BODY);
}

#[test]
fn a_body_that_ends_in_trailers_is_read() {
    let world = world(&filter(1, 1), 1);
    let stream = world.chat(0).chunks([BODY.into()]).open().send();
    stream.send_trailers([("x-checksum", "1")]);
    assert_arrived_whole(&stream, BODY);
}

#[test]
fn trailers_of_one_that_waits_go_with_it() {
    let world = world(&filter(1, 1), 1);
    let runs = world.ask(0);
    let waits = world.chat(0).chunks([BODY.into()]).open().send();
    waits.send_trailers([("x-checksum", "1")]);
    assert!(waits.is_paused());
    runs.finish();
    world.settle();
    assert_arrived_whole(&waits, BODY);
    waits.finish();
    world.assert_idle();
}

#[test]
fn a_body_that_waits_arrives_whole() {
    let world = world(&filter(1, 1), 1);
    let runs = world.ask(0);
    let waits = world.chat(0).chunks(BODY.as_bytes().chunks(9).map(<[u8]>::to_vec)).send();
    assert!(waits.is_paused());
    runs.finish();
    world.settle();
    assert_arrived_whole(&waits, BODY);
}

#[test]
fn a_request_without_a_body_is_refused_at_once() {
    let world = world(&filter(1, 1), 1);
    let stream = world.worker(0).request().to("POST", "/v1/chat/completions").send();
    assert_eq!((stream.status(), stream.header("x-slo-router-reason").as_deref()), (Some(400), Some("body_invalid")));
}

#[test]
fn a_body_beyond_envoys_buffer_is_413_and_leaves_nothing() {
    let world = builder(&filter(1, 1)).timing(|timing| timing.body_limit = 1_000).build().unwrap();
    let stream = world.chat(0).chunks([vec![b' '; 600], vec![b' '; 600]]).send();
    assert_eq!(stream.status(), Some(413));
    world.ask(0).finish();
    world.assert_idle();
}

#[test]
fn a_clients_own_choice_of_a_pod_never_goes_upstream() {
    let world = world(&filter(1, 1), 1);
    let stream = world.chat(0).header("x-gateway-destination-endpoint", "6.6.6.6:80").send();
    assert_eq!(stream.pod(), Some(address(0)));
    let passed = world.worker(0).request().header("x-gateway-destination-endpoint", "6.6.6.6:80").send();
    assert_eq!(passed.pod(), Some(address(0)));
}

// === forms ===

fn form(model: &str) -> String {
    let head = "content-disposition: form-data; name";
    format!("--x\r\n{head}=\"file\"\r\n\r\nsound\r\n--x\r\n{head}=\"model\"\r\n\r\n{model}\r\n--x--\r\n")
}

#[test]
fn a_form_on_a_configured_path_of_any_kind_waits_its_turn() {
    let mut config = filter(1, 1);
    config["request"]["paths"] = json!(["/v1/chat/completions", "/v1/audio/transcriptions"]);
    let world = world(&config, 1);
    let post = |body: &str| {
        let request = world.worker(0).request().to("POST", "/v1/audio/transcriptions");
        let request = request.header("content-type", "multipart/form-data; boundary=x");
        request.chunks(body.as_bytes().chunks(9).map(<[u8]>::to_vec)).send()
    };
    let body = form("m");
    let (runs, waits) = (post(&body), post(&body));
    assert_eq!([runs.is_running(), waits.is_running()], [true, false]);
    runs.finish();
    world.settle();
    assert_arrived_whole(&waits, &body);
    waits.finish();
    assert_eq!(post(&form("unknown")).header("x-slo-router-reason").as_deref(), Some("model_not_found"));
    world.assert_idle();
}

#[test]
fn a_form_without_a_boundary_on_such_a_path_is_400() {
    let mut config = filter(1, 1);
    config["request"]["paths"] = json!(["/v1/audio/transcriptions"]);
    let world = world(&config, 1);
    let request = world.worker(0).request().to("POST", "/v1/audio/transcriptions");
    let stream = request.header("content-type", "multipart/form-data").body(form("m")).send();
    assert_eq!((stream.status(), stream.header("x-slo-router-reason").as_deref()), (Some(400), Some("body_invalid")));
}

#[test]
fn a_client_that_leaves_while_its_body_is_read_leaves_nothing() {
    let world = world(&filter(1, 1), 1);
    let body = format!("{{\"x\":[{}1]}}", "[],".repeat(100_000));
    let stream = world.chat(0).chunks([body.into()]).send();
    assert!(stream.is_paused(), "it is read in turns");
    stream.client_reset();
    world.settle();
    assert!(stream.upstream_headers().is_none());
    world.assert_idle();
}

// === inspect: headers ===

#[test]
fn by_headers_a_request_goes_before_its_body_has_come() {
    let mut config = filter(1, 1);
    config["request"]["inspect"] = json!("headers");
    for flag in [false, true] {
        let world = builder(&config).allow_on_headers_stop_iteration(flag).build().unwrap();
        let stream = world.chat(0).chunks([]).open().send();
        assert_eq!(stream.pod(), Some(address(0)));
        stream.send(&BODY[..9]);
        stream.send_last(&BODY[9..]);
        assert_arrived_whole(&stream, BODY);
        stream.finish();
        world.assert_idle();
    }
}

#[test]
fn by_headers_a_body_that_waits_arrives_whole() {
    let mut config = filter(1, 1);
    config["request"]["inspect"] = json!("headers");
    for flag in [false, true] {
        let world = builder(&config).allow_on_headers_stop_iteration(flag).build().unwrap();
        let runs = world.ask(0);
        let waits = world.chat(0).chunks([BODY[..9].into()]).open().send();
        world.advance(s(1));
        waits.send(&BODY[9..30]);
        assert!(waits.is_paused());
        runs.finish();
        world.settle();
        assert!(waits.is_running());
        waits.send_last(&BODY[30..]);
        assert_arrived_whole(&waits, BODY);
        waits.finish();
        world.assert_idle();
    }
}

#[test]
fn by_headers_the_model_is_the_one_that_the_header_names() {
    let mut config = filter(1, 1);
    config["request"]["inspect"] = json!("headers");
    let world = world(&config, 1);
    let stream = world.chat(0).header("x-gateway-model-name", "other").send();
    assert_eq!(stream.header("x-slo-router-reason").as_deref(), Some("model_not_found"));
    assert!(world.chat(0).header("x-gateway-model-name", "m").send().is_running());
}

// === the guard ===

#[test]
fn without_the_flag_bodies_are_given_up_with_one_warning() {
    let world = builder(&filter(1, 2)).allow_on_headers_stop_iteration(false).workers(1).build().unwrap();
    let first = world.chat(0).chunks([BODY.into()]).send();
    world.advance(ms(240));
    assert!(first.is_paused());
    world.advance(ms(25));
    assert_arrived_whole(&first, BODY);
    let second = world.ask(0);
    world.advance(ms(265));
    assert!(second.is_running());
    let warnings = world.complaints();
    assert!(matches!(&warnings[..], [line] if line.contains("allow_on_headers_stop_iteration")), "{warnings:#?}");
    for stream in [first, second] {
        stream.finish();
    }
    world.assert_idle();
}

#[test]
fn without_the_flag_one_that_was_given_up_waits_for_room_like_any_other() {
    let world = builder(&filter(1, 1)).allow_on_headers_stop_iteration(false).build().unwrap();
    let (first, second) = (world.ask(0), world.ask(0));
    world.advance(ms(300));
    assert_eq!([first.is_running(), second.is_running()], [true, false]);
    assert_eq!(Shared(&world).in_flight(), 1);
    first.finish();
    world.settle();
    assert!(second.is_running());
    second.finish();
    world.assert_idle();
}

#[test]
fn a_client_that_leaves_the_guard_leaves_nothing() {
    let world = builder(&filter(1, 1)).allow_on_headers_stop_iteration(false).build().unwrap();
    let gone = world.ask(0);
    world.advance(ms(100));
    gone.client_reset();
    world.advance(ms(400));
    assert_eq!(world.complaints(), Vec::<String>::new());
    assert!(gone.upstream_headers().is_none());
}

#[test]
fn a_slow_upload_is_waited_for_once_a_body_was_seen() {
    let world = world(&filter(1, 2), 1);
    world.ask(0).finish();
    let slow = world.chat(0).chunks([]).open().send();
    world.advance(s(20));
    assert!(slow.is_paused());
    slow.send_last(BODY);
    assert_arrived_whole(&slow, BODY);
    assert_eq!(world.complaints(), Vec::<String>::new());
    slow.finish();
    world.assert_idle();
}
