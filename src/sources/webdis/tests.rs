use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sources::profiles;

fn source() -> WebdisSource {
    json::read(br#"{"cluster": "webdis", "namespace": "prod"}"#).unwrap()
}

/// A Redis with these keys, as Webdis answers; its pattern matches all, so that the filter must
/// look itself.
fn fetch(keys: &[(&str, String)]) -> Result<Fetched<ProfileDocument>, FetchError> {
    let mut fetch = source().fetch(None);
    for _ in 0..1_000 {
        let path = fetch.request().path;
        let arguments: Vec<String> =
            path.split('/').skip(1).map(|part| percent_decode_str(part).decode_utf8().unwrap().into_owned()).collect();
        let answer = match arguments[0].as_str() {
            "KEYS" => {
                assert_eq!(arguments[1..], ["aibrix:profile_*"]);
                json!({ "KEYS": keys.iter().map(|(key, _)| *key).collect::<Vec<_>>() })
            }
            "MGET" => {
                let value = |name: &String| keys.iter().find(|(key, _)| key == name).map(|(_, value)| value);
                json!({ "MGET": arguments[1..].iter().map(value).collect::<Vec<_>>() })
            }
            other => panic!("{other}"),
        };
        if let FetchProgress::Done(fetched) = fetch.read(answer.to_string().as_bytes())? {
            return Ok(fetched);
        }
    }
    panic!("it does not end")
}

fn profile(gpu: &str) -> String {
    format!(r#"{{"gpu": "{gpu}", "cost": 1, "indexes": [[64], [64]], "tputs": [[2]], "e2e": [[NaN]]}}"#)
}

fn read(keys: &[(&str, String)]) -> (ProfileDocument, Vec<String>) {
    let fetched = fetch(keys).unwrap();
    assert_eq!(profiles::parse(&fetched.bytes).as_ref(), Ok(&fetched.document));
    (fetched.document, fetched.complaints)
}

fn found(document: &ProfileDocument) -> Vec<String> {
    document.profiles.iter().map(|entry| entry.key().to_string()).collect()
}

#[test]
fn keys_name_model_and_deployment() {
    let (document, complaints) = read(&[("aibrix:profile_llama-8b_llama-8b-a10", profile("llama-8b-a10"))]);
    assert_eq!(found(&document), ["deployment prod/llama-8b-a10, model \"llama-8b\""]);
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn an_ambiguous_key_is_read_as_its_profile_says() {
    let key = "aibrix:profile_a_b_c";
    for (gpu, expected) in [
        ("c", "deployment prod/c, model \"a_b\""),
        ("b_c", "deployment prod/b_c, model \"a\""),
        // AIBrix's own rule is the key, whatever the profile says.
        ("A10", "deployment prod/c, model \"a_b\""),
    ] {
        assert_eq!(found(&read(&[(key, profile(gpu))]).0), [expected]);
    }
}

#[test]
fn a_key_may_state_the_namespace_of_its_deployment() {
    for (key, gpu, expected) in [
        ("aibrix:profile_qwen_ml/qwen-x", "ml/qwen-x", "deployment ml/qwen-x, model \"qwen\""),
        ("aibrix:profile_qwen_ml/qwen-x", "qwen-x", "deployment ml/qwen-x, model \"qwen\""),
        ("aibrix:profile_qwen_ml/qwen-x", "A10", "deployment ml/qwen-x, model \"qwen\""),
        ("aibrix:profile_qwen_qwen-x", "ml/qwen-x", "deployment ml/qwen-x, model \"qwen\""),
        ("aibrix:profile_org/qwen_2_ml/qwen_x", "ml/qwen_x", "deployment ml/qwen_x, model \"org/qwen_2\""),
        ("aibrix:profile_org/qwen_prod/x", "", "deployment prod/x, model \"org/qwen\""),
    ] {
        let (document, complaints) = read(&[(key, profile(gpu))]);
        assert_eq!((found(&document), complaints), (vec![expected.to_owned()], vec![]), "{key} {gpu}");
    }
    let (_, complaints) = read(&[("aibrix:profile_qwen_a/b/c", profile("A10"))]);
    assert_eq!(complaints, ["the key \"aibrix:profile_qwen_a/b/c\" names no model and deployment"]);
}

#[test]
fn many_keys_are_read_in_batches() {
    let names: Vec<String> = (0..333).map(|n| format!("aibrix:profile_m_d-{n}")).collect();
    let keys: Vec<(&str, String)> =
        names.iter().enumerate().map(|(n, key)| (key.as_str(), profile(&format!("d-{n}")))).collect();
    let fetched = fetch(&keys).unwrap();
    assert_eq!(fetched.document.profiles.len(), 333);
}

#[test]
fn a_model_with_slashes_and_dots_is_one_argument() {
    let (document, _) = read(&[("aibrix:profile_org/Llama-3.1.json_a", profile("a"))]);
    assert_eq!(found(&document), ["deployment prod/a, model \"org/Llama-3.1.json\""]);
}

#[test]
fn a_bad_value_costs_only_itself_and_names_whose_it_is() {
    let keys = [
        ("aibrix:profile_m_a", "not JSON".to_owned()),
        ("aibrix:profile_m_b", profile("b")),
        ("aibrix:profile_m_c", profile("c").replace("[[2]]", "[[-2]]")),
    ];
    let (document, _) = read(&keys);
    assert_eq!(found(&document), ["deployment prod/b, model \"m\""]);
    let rejected: Vec<_> = document.rejected.iter().map(|rejected| rejected.key.clone().unwrap().to_string()).collect();
    assert_eq!(rejected, ["deployment prod/a, model \"m\"", "deployment prod/c, model \"m\""]);
    assert!(document.complaint().unwrap().contains("\"not JSON\""));
}

#[test]
fn other_keys_are_no_profiles() {
    let (document, complaints) = read(&[("aibrix:profile_", profile("a")), ("aibrix:other", profile("a"))]);
    assert_eq!(found(&document), Vec::<String>::new());
    assert_eq!(complaints, ["the key \"aibrix:profile_\" names no model and deployment"]);
}

#[test]
fn a_key_that_is_gone_is_left_out() {
    let mut fetch = source().fetch(None);
    assert_eq!(fetch.read(br#"{"KEYS": ["aibrix:profile_m_a"]}"#), Ok(FetchProgress::Next));
    let Ok(FetchProgress::Done(fetched)) = fetch.read(br#"{"MGET": [null]}"#) else { panic!() };
    assert_eq!(fetched.bytes, br#"{"profiles":[]}"#);
}

#[test]
fn an_error_of_redis_is_told() {
    let error = source().fetch(None).read(br#"{"KEYS": [false, "NOAUTH Authentication required."]}"#).unwrap_err();
    assert_eq!(error.to_string(), "Redis answers \"NOAUTH Authentication required.\"");
    for answer in [json!({}), json!({ "KEYS": {} }), json!({ "KEYS": null }), json!({ "MGET": [] })] {
        assert!(source().fetch(None).read(answer.to_string().as_bytes()).is_err());
    }
}

#[test]
fn values_that_do_not_match_their_keys_are_refused() {
    let mut fetch = source().fetch(None);
    assert_eq!(fetch.read(br#"{"KEYS": ["aibrix:profile_m_a"]}"#), Ok(FetchProgress::Next));
    assert!(fetch.read(br#"{"MGET": ["a", "b"]}"#).is_err());
}

#[test]
fn more_profiles_than_a_pool_can_have_are_refused() {
    let keys: Vec<String> = (0..10_001).map(|n| format!("aibrix:profile_m_{n}")).collect();
    let error = source().fetch(None).read(json!({ "KEYS": keys }).to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "more than 10000 profiles");
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read(first in any::<Vec<u8>>(), key in any::<String>(), value in any::<String>()) {
        let _ = source().fetch(None).read(&first);
        let _ = names(&format!("{PREFIX}{key}"), &value);
    }

    /// Names of deployments in Kubernetes hold no underscore, so a key of them has one meaning.
    #[test]
    fn a_key_of_a_kubernetes_deployment_is_read_as_it_was_made(
        model in "[a-z0-9_./-]{1,20}",
        deployment in "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?",
    ) {
        let key = format!("{PREFIX}{model}_{deployment}");
        for text in [profile(&deployment), profile("some-gpu"), String::new()] {
            // A `gpu` that happens to end the key must not be another one than the deployment.
            if gpu_of(&text).is_none_or(|gpu| gpu == deployment || !key.ends_with(&format!("_{gpu}"))) {
                prop_assert_eq!(names(&key, &text), Some((model.clone(), deployment.clone())));
            }
        }
    }
}
