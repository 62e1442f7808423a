//! The load generator against a simulated pod, without a gateway.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use laboratory::engine::{EngineSpec, Gpu, Model};
use laboratory::load::{self, Fate};
use laboratory::server::Servers;
use laboratory::server::simulated::{self, PodOptions};
use laboratory::workload::{Arrival, Class};

fn pod() -> Servers {
    simulated::start(vec![PodOptions::new(EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap())]).unwrap()
}

fn arrival(output_tokens: u32) -> Arrival {
    Arrival { at: Duration::ZERO, class: Class::Chat, prompt_tokens: 100, content: None, output_tokens }
}

#[tokio::test]
async fn a_request_is_timed_and_its_tokens_are_the_pods_own_count() {
    let pods = pod();
    let records = load::run(pods.addresses()[0], &[arrival(20)], |_| {}).await;
    let completed = records[0].completed().expect("an answer");
    assert_eq!(completed.output_tokens, 20);
    assert!(Duration::ZERO < completed.ttft && completed.ttft < completed.e2e);
}

#[tokio::test]
async fn a_run_ends_when_what_is_unfinished_has_missed_the_slo() {
    let pods = pod();
    // One token allows 50 ms; the prompt alone takes longer.
    let hopeless = Arrival { prompt_tokens: 50_000, ..arrival(1) };
    let records = load::run(pods.addresses()[0], &[hopeless], |_| {}).await;
    assert!(records[0].is_unfinished() && !records[0].is_kept(), "{:?}", records[0].fate);
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_status() {
    let pods = pod();
    // Its objective leaves a minute and more, however long the upload takes.
    let too_long = Arrival { prompt_tokens: 500_000, ..arrival(2_000) };
    let records = load::run(pods.addresses()[0], &[too_long], |_| {}).await;
    assert!(matches!(records[0].fate, Fate::Refused { status: 400 }), "{:?}", records[0].fate);
}

#[tokio::test]
async fn a_server_that_is_not_there_breaks_the_request() {
    // A port that was just free is free still.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let records = load::run(address, &[arrival(1)], |_| {}).await;
    assert!(matches!(records[0].fate, Fate::Broken { .. }), "{:?}", records[0].fate);
}
