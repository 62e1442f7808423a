use serde_json::json;

use super::*;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::sources::callout::FetchError;

fn source(more: &str) -> ReplicaSource {
    json::read(format!(r#"{{"webdis": {{"cluster": "redis"}}, "slots": 3{more}}}"#).as_bytes()).unwrap()
}

/// Makes the next digest of a gateway, as text.
fn digest(peer_table: &mut PeerTable) -> String {
    peer_table.digest(PodLoads::new(), None).encode("p")
}

fn begin(gateway: u64) -> (GossipRound, String) {
    let mut peer_table = PeerTable::new(gateway);
    let text = digest(&mut peer_table);
    (source("").round("p", peer_table, text.clone()), text)
}

fn posted(round: &GossipRound) -> String {
    String::from_utf8(round.ask().body).unwrap()
}

fn read(round: &mut GossipRound, answer: &serde_json::Value, now: Instant) -> Result<Turn, FetchError> {
    round.read(answer.to_string().as_bytes(), now)
}

#[test]
fn a_round_looks_at_all_slots_and_takes_a_free_one() {
    let (mut round, text) = begin(1);
    let other = digest(&mut PeerTable::new(2));
    let ask = round.ask();
    assert_eq!(ask.request.path, "/MGET/slo%2Drouter%3A2%3Ap%3A0/slo%2Drouter%3A2%3Ap%3A1/slo%2Drouter%3A2%3Ap%3A2");
    assert_eq!(ask.headers(&source("").callout)[0], (":method", "GET"));
    assert_eq!(read(&mut round, &json!({ "MGET": [other, null, null] }), START), Ok(Turn::Next));
    let ask = round.ask();
    assert_eq!(ask.headers(&source("").callout)[0], (":method", "POST"));
    assert_eq!(posted(&round), format!("SET/slo%2Drouter%3A2%3Ap%3A1/{text}/PX/2000/NX"));
    assert_eq!(read(&mut round, &json!({ "SET": [true, "OK"] }), START), Ok(Turn::Done));
    assert_eq!(round.peer_table().gateways(), 2);
}

#[test]
fn a_slot_is_written_again_without_a_condition() {
    let mut peer_table = PeerTable::new(1);
    let first = digest(&mut peer_table);
    peer_table.settle(2);
    let text = digest(&mut peer_table);
    let mut round = source(r#", "expire": "5s""#).round("p", peer_table, text.clone());
    assert_eq!(read(&mut round, &json!({ "MGET": [null, null, first] }), START), Ok(Turn::Next));
    assert_eq!(posted(&round), format!("SET/slo%2Drouter%3A2%3Ap%3A2/{text}/PX/5000"));
}

#[test]
fn where_another_was_quicker_the_next_free_slot_is_tried() {
    let (mut round, _) = begin(1);
    read(&mut round, &json!({ "MGET": [null, "garbage", null] }), START).unwrap();
    assert!(posted(&round).starts_with("SET/slo%2Drouter%3A2%3Ap%3A0/"));
    assert_eq!(read(&mut round, &json!({ "SET": null }), START), Ok(Turn::Next));
    assert!(posted(&round).starts_with("SET/slo%2Drouter%3A2%3Ap%3A2/"));
    let error = read(&mut round, &json!({ "SET": null }), START).unwrap_err();
    assert_eq!(error.to_string(), "slot 2 was taken by another gateway");
    assert_eq!(round.complaints(), ["slot 1: no digest"]);
}

#[test]
fn more_gateways_than_slots_are_told() {
    let (mut round, _) = begin(1);
    let others: Vec<String> = (2..5).map(|gateway| digest(&mut PeerTable::new(gateway))).collect();
    let error = read(&mut round, &json!({ "MGET": others }), START).unwrap_err();
    assert_eq!(error.to_string(), "all 3 slots are taken");
    assert_eq!(round.peer_table().gateways(), 4);
}

#[test]
fn an_error_of_redis_is_told() {
    let answers = [json!({ "MGET": [false, "NOAUTH Authentication required."] }), json!({ "MGET": [null] }), json!({})];
    for answer in answers {
        assert!(read(&mut begin(1).0, &answer, START).is_err(), "{answer}");
    }
    let (mut round, _) = begin(1);
    read(&mut round, &json!({ "MGET": [null, null, null] }), START).unwrap();
    let error = read(&mut round, &json!({ "SET": [false, "OOM command not allowed"] }), START).unwrap_err();
    assert_eq!(error.to_string(), "Redis answers \"OOM command not allowed\"");
}

proptest::proptest! {
    #[test]
    fn arbitrary_answers_are_refused_or_read(first: Vec<u8>, second: Vec<u8>) {
        let (mut round, _) = begin(1);
        let _ = round.read(&first, START);
        let (mut round, _) = begin(1);
        read(&mut round, &json!({ "MGET": [null, null, null] }), START).unwrap();
        let _ = round.read(&second, START);
    }
}
