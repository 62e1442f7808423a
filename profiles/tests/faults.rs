//! A server that misbehaves, over real sockets: the point is retried or marked, and nothing is ever made up.

mod misbehaving;

use std::time::Duration;

use misbehaving::{Fault, Misbehaving};
use slo_profile::client::{ClientOptions, Endpoint, HttpServer};
use slo_profile::measure::{Failure, Sampling, Server as _, ServerError, Trial};
use slo_profile::measurement::{Ending, Point};
use slo_profile::objective::Objective;
use slo_profile::verdict::{Verdict, judge};
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;

const SHAPE: Shape = Shape { output_tokens: 4, input_tokens: 32 };

fn objective() -> Objective {
    Objective { slo: Slo { e2e: Some(Duration::from_secs(5)), ..Slo::default() }, percentile: 90 }
}

fn client(server: &Misbehaving) -> HttpServer {
    let options = ClientOptions {
        url: server.url(),
        endpoint: Endpoint::Completions,
        model: "m".into(),
        api_key: None,
        extra_body: serde_json::Map::new(),
        shared_prefix_tokens: 0,
        stall_after: Duration::from_millis(200),
        patience: Duration::from_millis(300),
    };
    HttpServer::new(&options).unwrap()
}

async fn ask(fault: Fault) -> Result<slo_profile::measure::Answer, Failure> {
    let server = Misbehaving::start(fault).await;
    client(&server).ask(SHAPE, 0).await.unwrap()
}

async fn point(fault: Fault) -> Point {
    let server = Misbehaving::start(fault).await;
    let sampling = Sampling { requests: 50, look: None, warm_up: 5 };
    let mut trial = Trial::new(SHAPE, 400.0, objective(), sampling, 1);
    client(&server).run(&mut trial).await.unwrap();
    trial.into_point()
}

/// No figure of a point may be anything but a number, whatever happened.
fn assert_finite(point: &Point) {
    let text = serde_json::to_string(point).unwrap();
    assert!(!text.contains("null"), "{text}");
    assert_eq!(serde_json::from_str::<Point>(&text).unwrap(), *point);
}

#[tokio::test]
async fn an_answer_is_timed_from_its_send() {
    let answer = ask(Fault::None).await.unwrap();
    assert_eq!((answer.output_tokens, answer.input_tokens), (4, Some(32)));
    assert!(answer.ttft > Duration::ZERO && answer.ttft <= answer.e2e);
}

#[tokio::test]
async fn without_usage_events_are_counted() {
    let answer = ask(Fault::NoUsage).await.unwrap();
    assert_eq!((answer.output_tokens, answer.input_tokens), (4, None));
}

#[tokio::test]
async fn each_fault_has_its_name() {
    for (fault, kind) in [
        (Fault::Status(500), "status 500"),
        (Fault::Status(429), "status 429"),
        (Fault::Stall, "stalled"),
        (Fault::Malformed, "malformed"),
        (Fault::Truncated, "malformed"),
        (Fault::Empty, "empty"),
        (Fault::Reset, "connection"),
    ] {
        assert_eq!(ask(fault).await.unwrap_err().kind(), kind, "{fault:?}");
    }
}

#[tokio::test]
async fn a_point_full_of_defects_is_marked_and_says_nothing() {
    for fault in [Fault::Status(500), Fault::Stall, Fault::Malformed, Fault::Reset] {
        let point = point(fault).await;
        assert_eq!(point.ended, Ending::Failed, "{fault:?}");
        assert!(point.failed() > 0, "{fault:?}");
        assert!(matches!(judge(&point, &objective()), Verdict::Unknown(_)), "{fault:?}");
        assert_finite(&point);
    }
}

#[tokio::test]
async fn a_server_that_is_full_misses_the_objective() {
    let point = point(Fault::Every(3, 429)).await;
    assert_eq!(point.ended, Ending::Complete);
    assert_eq!(judge(&point, &objective()), Verdict::Misses);
    assert_finite(&point);
}

#[tokio::test]
async fn a_rare_error_is_stood() {
    let point = point(Fault::Every(70, 500)).await;
    assert_eq!(point.ended, Ending::Complete);
    assert_eq!(judge(&point, &objective()), Verdict::Holds);
}

#[tokio::test]
async fn a_server_that_died_is_waited_for_and_then_given_up() {
    let server = Misbehaving::start(Fault::None).await;
    let mut client = client(&server);
    client.settle().await.unwrap();
    drop(server);
    assert!(matches!(client.settle().await, Err(ServerError::Gone(_))));
}

#[tokio::test]
async fn a_server_that_refuses_for_good_is_not_asked_again() {
    let server = Misbehaving::start(Fault::Status(401)).await;
    assert!(matches!(client(&server).learn().await, Err(ServerError::Refuses(_))));
}
