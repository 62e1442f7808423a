use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::scheduling::load::Load;
use crate::scheduling::pod_load::{PodLoad, PodLoads};
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::queue::Urgency;
use crate::scheduling::testing::{START, pool};
use crate::scheduling::time::Instant;
use crate::shared::claim::Claim;
use crate::shared::digest::{Digest, DigestError, MAX_CHARS, UrgentRequest, VERSION};

fn pod(number: u16) -> PodId {
    PodId::of(format!("10.0.{}.{}:8000", number >> 8, number & 255).parse().unwrap())
}

fn deployment() -> DeploymentId {
    pool(&[("a", 1, None)]).deployments()[0].id
}

fn column(loads: &std::collections::BTreeMap<u16, Vec<u32>>) -> PodLoads {
    let entry = |loads: &Vec<u32>| {
        let mut entry = PodLoad::default();
        loads.iter().for_each(|micro| entry.charge(Load::from_micro(*micro)));
        entry
    };
    loads.iter().map(|(number, loads)| (pod(*number), entry(loads))).collect()
}

fn claim(latest_start: Instant, arrival: Instant, load: u32) -> Claim {
    Claim {
        urgency: Urgency { late: false, latest_start, arrival },
        loads: vec![(deployment(), Load::from_micro(load))],
        aged_since: None,
        reserved: Some(pod(7)),
    }
}

/// One request of this load runs on a pod.
fn digest(load: u32) -> Digest {
    Digest { gateway: 7, sequence: 1, running: column(&[(1, vec![load])].into()), ..Digest::default() }
}

#[track_caller]
fn refused(text: &str, expected: DigestError) {
    assert_eq!(Digest::decode(text, "p"), Err(expected));
}

#[test]
fn a_digest_of_another_pool_is_refused() {
    refused(&digest(1).encode("q"), DigestError::OtherPool);
}

#[test]
fn a_digest_of_another_version_is_told_apart_whatever_follows() {
    refused(&URL_SAFE_NO_PAD.encode([VERSION + 1, 200, 200]), DigestError::Version(VERSION + 1));
}

#[test]
fn what_is_cut_or_goes_on_is_refused() {
    let whole = URL_SAFE_NO_PAD.decode(digest(500).encode("p")).unwrap();
    for cut in 0..whole.len() {
        refused(&URL_SAFE_NO_PAD.encode(&whole[..cut]), DigestError::Garbled);
    }
    refused(&URL_SAFE_NO_PAD.encode([&whole[..], &[0]].concat()), DigestError::Garbled);
    refused("not a digest", DigestError::Garbled);
}

#[test]
fn a_text_of_any_length_is_not_decoded() {
    refused(&"A".repeat(MAX_CHARS + 1), DigestError::TooLong(MAX_CHARS + 1));
}

#[test]
fn a_request_takes_no_more_than_a_pod_and_no_pod_runs_none() {
    let absurd = DigestError::Absurd("a pod's load is not that of its requests");
    refused(&digest(1_000_001).encode("p"), absurd);
    let none = Digest { running: [(pod(1), PodLoad::default())].into(), ..digest(1) };
    refused(&none.encode("p"), absurd);
    let waiting = Some(UrgentRequest::of(&claim(START, START, 1_000_001), START));
    let absurd = DigestError::Absurd("a request that takes more than a whole pod");
    refused(&Digest { waiting, ..digest(1) }.encode("p"), absurd);
}

#[test]
fn a_claim_is_as_urgent_on_a_clock_that_shows_another_time() {
    let [later, told] = [START.after(Duration::from_hours(5)), START.after(Duration::from_secs(3))];
    let [arrival, latest_start] = [1, 8].map(|seconds| START.after(Duration::from_secs(seconds)));
    let waiting = UrgentRequest::of(&claim(latest_start, arrival, 5), told);
    let read = waiting.claim(later, Duration::from_millis(100));
    assert_eq!(read.urgency.latest_start, later.after(Duration::from_millis(5_100)));
    assert_eq!(read.urgency.arrival, later.before(Duration::from_secs(2)));
    assert_eq!((read.loads, read.reserved), (vec![(deployment(), Load::from_micro(5))], Some(pod(7))));
    let late = UrgentRequest::of(&claim(arrival, START, 5), told).claim(later, Duration::ZERO);
    assert_eq!(late.urgency.latest_start, later.before(Duration::from_secs(2)));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        loads in btree_map(any::<u16>(), vec(0..=1_000_000_u32, 1..5), 0..50),
        times in proptest::option::of((any::<u64>(), any::<u64>(), 0..=1_000_000_u32)),
        (gateway, sequence) in any::<(u64, u64)>(),
        sealed in vec(any::<u8>(), 0..200),
    ) {
        let instant = Instant::from_micros;
        let waiting = times.map(|(start, at, load)| UrgentRequest::of(&claim(instant(start), instant(at), load), START));
        let digest = Digest { gateway, sequence, running: column(&loads), waiting, sealed };
        prop_assert_eq!(Digest::decode(&digest.encode("p"), "p"), Ok(digest));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = Digest::decode(&text, "p");
        let _ = Digest::decode(&URL_SAFE_NO_PAD.encode([&[VERSION][..], &bytes].concat()), "p");
    }
}
