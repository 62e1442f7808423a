//! Streams that break off, and errors within answers of status 200.

use super::*;

const STREAM: [(&str, &str); 1] = [("content-type", "text/event-stream")];
const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn an_error_within_a_200_takes_the_pod_out_and_is_not_kept() {
    let answers: [&dyn Fn(&Stream); 8] = [
        &|stream| {
            stream.respond(200, STREAM).body("data: {\"error\":{\"message\":\"x\",\"code\":500}}\n\n");
        },
        &|stream| {
            stream.respond(200, STREAM).body("event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n");
        },
        &|stream| {
            stream.respond(200, STREAM).body("data: {\"type\":\"response.failed\"}\n\n");
        },
        &|stream| {
            stream.respond(200, STREAM).body(": keep-alive\n\n");
        },
        &|stream| {
            stream.respond(200, STREAM).body("");
        },
        &|stream| {
            stream.respond(200, STREAM).body("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n");
        },
        &|stream| {
            stream.respond(200, [("content-type", "application/json")]).body("{\"error\":\"x\"}");
        },
        &|stream| {
            stream.respond(200, [("content-type", "application/json")]).body("{\"choices\":[");
        },
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let world = builder(&filter(2, 2)).build().unwrap();
        assert_eq!(asked_of_first(&world, 1, answer), 1);
        assert_eq!(Shared(&world).failing().len(), 1, "{number}");
        assert_eq!(world.count("requests_total", "_class=default__policy=slo__outcome=failed_"), 1, "{number}");
        let complaints = world.complaints();
        assert!(matches!(&complaints[..], [line] if line.contains(&address(0))), "{number}: {complaints:?}");
        world.assert_idle();
    }
}

#[test]
fn an_error_of_the_client_within_a_200_is_none_of_the_pods() {
    let world = builder(&filter(2, 2)).build().unwrap();
    asked_of_first(&world, 6, |stream| {
        stream.respond(200, STREAM).body("data: {\"error\":{\"type\":\"invalid_request_error\"}}\n\n");
    });
    assert!(Shared(&world).failing().is_empty());
    assert_eq!(world.count("requests_total", "_class=default__policy=slo__outcome=client-error_"), 6);
    world.assert_idle();
}

#[test]
fn a_pod_that_breaks_off_again_and_again_is_out() {
    let answers: [&dyn Fn(&Stream); 4] = [
        &|stream| {
            stream.respond(200, STREAM).chunk(TOKEN).upstream_reset();
        },
        &|stream| {
            stream.respond(200, STREAM).chunk("").upstream_reset();
        },
        &|stream| {
            stream.respond(200, STREAM).body(TOKEN);
        },
        &|stream| {
            stream.respond(200, STREAM).chunk(TOKEN).body("data: {\"error\":{\"code\":500}}\n\n");
        },
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let world = builder(&filter(2, 2)).build().unwrap();
        assert_eq!(asked_of_first(&world, 60, answer), 3, "{number}");
        world.assert_idle();
    }
}

#[test]
fn answers_between_those_that_break_off_keep_the_pod() {
    let world = builder(&filter(2, 2)).build().unwrap();
    for _ in 0..4 {
        asked_of_first(&world, 2, |stream| {
            stream.respond(200, STREAM).chunk(TOKEN).upstream_reset();
        });
        asked_of_first(&world, 1, |stream| {
            stream.respond(200, STREAM).body(format!("{TOKEN}{DONE}"));
        });
    }
    assert!(Shared(&world).failing().is_empty());
    world.assert_idle();
}
