//! Two gateways before the same pods: a conversation whose turns come to both.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::proxy::Gateway;
use super::redis::Redis;
use super::{CHAT, POD};

const PODS: usize = 4;
const CONVERSATIONS: usize = 40;

/// Tokens of a turn, by what the pods say, and words of it.
const TOKENS: u64 = 1_000;
const WORDS: usize = 400;

/// Gateways whose configurations are equal but for the order of their pods and what `settings` say
/// of them, and the tokens of each conversation that each pod holds.
struct Gateways {
    gateways: Vec<Gateway>,
    redis: Redis,
    caches: BTreeMap<(String, usize), u64>,
    id: u32,
}

/// The secret whose digits are all the same.
fn secret(digit: char) -> Value {
    json!(String::from(digit).repeat(64))
}

fn pod(number: usize) -> String {
    format!("10.0.0.{number}:8000")
}

/// A conversation's body at one of its turns, before which all was said that the turns before it
/// had.
fn body(conversation: usize, turn: usize) -> Value {
    let said = |turn: usize| format!("{conversation} {turn} ").repeat(WORDS);
    let question = |turn: usize| json!({ "role": "user", "content": said(turn) });
    let answer = json!({ "role": "assistant", "content": "yes" });
    let before = (0..turn).flat_map(|turn| [question(turn), answer.clone()]);
    json!({ "model": "m", "messages": before.chain([question(turn)]).collect::<Vec<_>>() })
}

// === impl Gateways ===

impl Gateways {
    /// One for each of `settings`, which name a secret or none, before pods with these numbers.
    fn new(policy: &str, settings: &[(Option<Value>, &[usize])]) -> Self {
        let redis = Redis::default();
        let gateway = |(number, (secret, pods)): (usize, &(Option<Value>, &[usize]))| {
            let pods = pods.iter().map(|number| json!({ "address": pod(*number), "deployment": "default/a" }));
            let mut replicas = json!({ "webdis": { "cluster": "webdis" } });
            if let Some(secret) = secret {
                replicas["secret"] = secret.clone();
            }
            let config = json!({
                "pool": "test", "policy": policy, "replicas": replicas,
                "pods": { "static": pods.collect::<Vec<_>>() },
            });
            Gateway::reaching(&config, &redis, number as u64)
        };
        let gateways = settings.iter().enumerate().map(gateway).collect();
        Self { gateways, redis, caches: BTreeMap::new(), id: 0 }
    }

    /// Those of a count, all with one secret and all pods, each in an order of its own.
    fn agreed(policy: &str, count: usize) -> Self {
        let forth: Vec<usize> = (0..PODS).collect();
        let back: Vec<usize> = (0..PODS).rev().collect();
        let settings = [(Some(secret('a')), forth.as_slice()), (Some(secret('a')), back.as_slice())];
        Self::new(policy, &settings[..count])
    }

    /// Has a turn served by a gateway; returns its pod, and the tokens that this had cached.
    fn ask(&mut self, gateway: usize, conversation: usize, turn: usize) -> (String, u64) {
        self.id += 1;
        let gateway = &self.gateways[gateway];
        gateway.send(self.id, CHAT, &[], &body(conversation, turn));
        let pod = gateway.stream(self.id, |stream| stream.request[POD].clone());
        let prompt = TOKENS * (turn as u64 + 1);
        let cached = self.caches.insert((pod.clone(), conversation), prompt).unwrap_or_default();
        let choice =
            json!({ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "yes" } });
        let details = json!({ "cached_tokens": cached });
        let usage = json!({ "prompt_tokens": prompt, "completion_tokens": 3, "prompt_tokens_details": details });
        gateway.answer(self.id, 200, &json!({ "choices": [choice], "usage": usage }));
        (pod, cached)
    }

    /// Lets all tell each other what they did, and hear of it.
    fn meet(&self) {
        for _ in 0..3 {
            self.gateways.iter().for_each(Gateway::tick);
        }
    }

    /// Lets conversations take two turns, the second at the next gateway; returns the share of the
    /// first ones that its pod had cached.
    fn converse(&mut self) -> f64 {
        self.show_caches();
        let mut cached = 0;
        for turn in 0..2 {
            for conversation in 0..CONVERSATIONS {
                let gateway = (turn + conversation) % self.gateways.len();
                cached += self.ask(gateway, conversation, turn).1;
                self.meet();
            }
        }
        cached as f64 / (TOKENS * CONVERSATIONS as u64) as f64
    }

    /// Has all gateways see that servers cache.
    fn show_caches(&mut self) {
        for gateway in 0..self.gateways.len() {
            for _ in 0..2 * PODS {
                self.ask(gateway, 1_000 + gateway, 0);
                self.meet();
            }
        }
    }

    /// Number of times that what others told was complained of.
    fn complaints(&self, gateway: usize) -> u64 {
        let metric = "slo_router.source_errors_total_pool=test__source=replicas__reason=partial_";
        self.gateways[gateway].metric(metric)
    }
}

#[test]
fn turns_that_come_to_another_gateway_find_what_the_one_before_left() {
    for policy in ["lmetric", "slo-attainment"] {
        let one = Gateways::agreed(policy, 1).converse();
        let mut two = Gateways::agreed(policy, 2);
        let of_two = two.converse();
        assert!(one > 0.9 && of_two >= 0.85 * one, "{policy}: {of_two} of two gateways, {one} of one");
        assert_eq!([0, 1].map(|gateway| two.complaints(gateway)), [0, 0]);
    }
}

#[test]
fn without_a_secret_or_with_another_gateways_know_their_own_placements_only() {
    let pods: Vec<usize> = (0..PODS).collect();
    for (other, complains) in [(None, false), (Some(secret('b')), true)] {
        let mut two = Gateways::new("lmetric", &[(Some(secret('a')), &pods), (other, &pods)]);
        let cached = two.converse();
        assert!(cached < 0.5, "{cached}");
        assert_eq!([0, 1].map(|gateway| two.complaints(gateway) > 0), [complains; 2]);
    }
}

#[test]
fn what_went_to_a_pod_that_this_gateway_lacks_is_not_followed_there() {
    let all: Vec<usize> = (0..PODS).collect();
    let mut two = Gateways::new("lmetric", &[(Some(secret('a')), &all), (Some(secret('a')), &all[1..])]);
    two.show_caches();
    let mut known = 0;
    for conversation in 0..CONVERSATIONS {
        let (first, _) = two.ask(0, conversation, 0);
        two.meet();
        let (second, _) = two.ask(1, conversation, 1);
        two.meet();
        assert_ne!(second, pod(0));
        known += usize::from(first == second);
        assert!(first == second || first == pod(0), "{first}, then {second}");
    }
    assert!(known > CONVERSATIONS / 2, "{known}");
}

#[test]
fn what_several_workers_of_a_gateway_placed_all_of_another_know() {
    let mut two = Gateways::agreed("lmetric", 2);
    two.show_caches();
    // Of each gateway a second worker, which comes before the first.
    let workers = [0, 1].map(|gateway| two.gateways[gateway].worker());
    workers.into_iter().for_each(|worker| two.gateways.push(worker));
    for conversation in 0..CONVERSATIONS {
        let (first, _) = two.ask([0, 2][conversation % 2], conversation, 0);
        two.meet();
        let (second, _) = two.ask([1, 3][conversation / 2 % 2], conversation, 1);
        two.meet();
        assert_eq!(first, second, "{conversation}");
    }
}

#[test]
fn what_is_cut_or_changed_is_told_and_does_no_harm() {
    let flipped = |text: &str, from_end: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let changes: [&dyn Fn(&str) -> String; 3] = [
        &|text| text[..text.len() / 2].to_owned(),
        // The last byte of the seal, and one of what is sealed.
        &|text| flipped(text, 1),
        &|text| flipped(text, 30),
    ];
    for change in changes {
        let mut two = Gateways::agreed("lmetric", 2);
        two.show_caches();
        let before = two.complaints(1);
        two.ask(0, 0, 0);
        two.gateways[0].tick();
        two.redis.change(change);
        // With the next tick it is counted.
        (0..2).for_each(|_| two.gateways[1].tick());
        assert!(two.complaints(1) > before);
        two.ask(1, 0, 1);
    }
}
