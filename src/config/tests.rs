use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::document::fingerprint;
use super::*;
use crate::learning::PredictionKind;
use crate::scheduling::policies::{Prefer, attainment, least_request, pull, random};
use crate::scheduling::prefix::PrefixMode;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::slo::Slo;
use crate::scheduling::weight::Weight;
use crate::shared::pool_secret::PoolSecret;
use crate::sources::callout::Callout;

const FULL: &str = include_str!("../../tests/data/configs/full.json");
const MINIMAL: &str = include_str!("../../tests/data/configs/minimal.json");

#[track_caller]
fn good(text: &str) -> Config {
    Config::from_json(text.as_bytes()).unwrap()
}

fn error(text: impl AsRef<[u8]>) -> String {
    Config::from_json(text.as_ref()).unwrap_err().to_string()
}

#[test]
fn everything_that_is_written_is_taken() {
    let config = good(FULL);
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(config.pool, "chat");
    assert_eq!(config.policy, pull::SLO_PACK_LOAD);
    assert_eq!(config.allowed_strategies, [pull::SLO, pull::SLO_LEAST_LOAD_PULLING, pull::SLO_PACK_LOAD]);
    assert_eq!(config.fallback_policy, random::RANDOM);
    assert_eq!(config.request.inspect, Inspect::Headers);
    assert_eq!(config.request.paths, ["/v1/chat/completions", "/v1/completions"]);
    assert_eq!(config.request.prompt_tokens, PromptTokens::Estimate);
    assert_eq!(config.request.image_tokens, 512);
    assert_eq!(config.request.session_header.as_deref(), Some("x-session-id"));
    let base = Slo { e2e_base: ms(1000), e2e_per_output_token: ms(50), ..Slo::default() };
    assert_eq!(config.models["llama-3-8b"], ModelConfig { base: None, slo: Some(base) });
    assert_eq!(config.models["my-adapter"], ModelConfig { base: Some("llama-3-8b".to_owned()), slo: None });
    assert_eq!(config.default_model.as_deref(), Some("llama-3-8b"));
    let header = HeaderMatch { name: "x-class".to_owned(), value: "interactive".to_owned() };
    let tokens = Slo { ttft: ms(500), tpot: ms(50), ..Slo::default() };
    let ends = Slo { e2e: ms(90_000), e2e_per_token: Some(Duration::from_micros(500)), ..Slo::default() };
    assert_eq!(
        config.classes,
        [
            Class {
                name: "interactive".to_owned(),
                header: Some(header),
                model: None,
                weight: Weight::new(2.0).unwrap(),
                slo: Some(tokens)
            },
            Class {
                name: "adapter".to_owned(),
                header: None,
                model: Some("my-adapter".to_owned()),
                weight: Weight::default(),
                slo: Some(ends)
            },
        ]
    );
    let default = Some(Slo { ttft: ms(1000), tpot: ms(50), ..Slo::default() });
    let expected = SloConfig {
        default,
        allow_headers: false,
        infeasible: Infeasible::Reject,
        prefer: Prefer::Cheapest,
        ..SloConfig::default()
    };
    assert_eq!(config.slo, expected);
    assert_eq!(config.prediction, Prediction { kind: PredictionKind::Draw, cold_tokens: 1 });
    assert_eq!(config.capacity, CapacityConfig { default_concurrency: Some(8.5) });
    assert_eq!(config.prefix, PrefixMode::Learn);
    let expected = QueueConfig { max_requests: 100, max_wait: Duration::from_secs(30), late: LatePolicy::First };
    assert_eq!(config.queue, expected);
    let profiles = config.profiles.fetched().unwrap();
    assert_eq!(profiles.to_string(), "profiles/profiles.json every 5s");
    let Callout { cluster, authority, interval, timeout } = profiles.callout();
    assert_eq!((cluster.as_str(), authority.as_str()), ("profiles", "files"));
    assert_eq!((*interval, *timeout), (Duration::from_secs(5), Duration::from_secs(1)));
    assert_eq!(config.profiles.inline[0].key().to_string(), "deployment default/llama-a10, model \"llama-3-8b\"");
    assert_eq!(config.pods.fixed[1].deployment.as_str(), "default/llama-l20");
    assert_eq!(config.pods.fetched().unwrap().callout().cluster, "pods");
    let replicas = config.replicas.unwrap();
    let Callout { cluster, authority, interval, timeout } = &replicas.callout;
    assert_eq!((cluster.as_str(), authority.as_str()), ("webdis", "redis"));
    assert_eq!((*interval, *timeout, replicas.expire), (ms(200).unwrap(), ms(1000).unwrap(), ms(3000).unwrap()));
    assert_eq!((replicas.expected, replicas.slots), (4, 8));
    assert_eq!(replicas.secret, PoolSecret::from_hex(&"0123456789abcdef".repeat(4)));
    assert_eq!(config.upstream.header, "x-envoy-original-dst-host");
    assert!(config.response.show_pod);
}

#[test]
fn a_default_objective_that_profiles_hide_is_told_of() {
    let entry = |slos: &str| {
        format!(
            r#"{{"deployment": "a", "profile": {{"gpu": "g", "cost": 1, "indexes": [[64], [64]], "tputs": [[2]], "slos": {slos}}}}}"#
        )
    };
    let with = |slo: &str, slos: &str| {
        let minimal = MINIMAL.trim_end().trim_end_matches('}');
        format!(r#"{minimal}, "slo": {slo}, "profiles": {{"inline": [{}]}}}}"#, entry(slos))
    };
    let told = |slo: &str, slos: &str| {
        let config = good(&with(slo, slos));
        config.hidden_default(&config.profiles.inline)
    };
    let own = r#"{"default": {"e2e": "1s"}}"#;
    let expected = "the profiles of default/a state objectives of their own, which go before `slo.default`";
    assert_eq!(told(own, r#"{"e2e": 5}"#).as_deref(), Some(expected));
    assert_eq!(told("{}", r#"{"e2e": 5}"#), None);
    assert_eq!(told(own, "{}"), None);
}

#[test]
fn deployments_have_bounds_of_their_own() {
    let with =
        |deployments: &str| format!("{}, \"deployments\": {deployments}}}", MINIMAL.trim_end().trim_end_matches('}'));
    let config = good(&with(r#"{"prod/a": {"max_concurrent_requests": 4}, "b": {}}"#));
    let bounds: Vec<_> =
        config.deployments.iter().map(|(name, on)| (name.as_str(), on.max_concurrent_requests)).collect();
    assert_eq!(bounds, [("default/b", None), ("prod/a", Some(4))]);
    let told = |deployments: &str| Config::from_json(with(deployments).as_bytes()).unwrap_err().to_string();
    for bad in [r#"{"a/b/c": {}}"#, r#"{"a": {}, "default/a": {}}"#] {
        assert!(told(bad).starts_with("deployments: invalid value: the name"), "{}", told(bad));
    }
    let zero = told(r#"{"a": {"max_concurrent_requests": 0}}"#);
    assert!(zero.starts_with("deployments.a.max_concurrent_requests: invalid value"), "{zero}");
}

#[test]
fn other_pods_are_named_in_one_way() {
    let with = |upstream: &str| format!("{}, \"upstream\": {upstream}}}", MINIMAL.trim_end().trim_end_matches('}'));
    let config = good(&with(r#"{"alternative_headers": ["x-second", "x-third"]}"#));
    assert_eq!(
        config.upstream.headers().collect::<Vec<_>>(),
        ["x-gateway-destination-endpoint", "x-second", "x-third"]
    );
    assert_eq!(config.dispatch_settings().alternatives, 2);
    let told = |upstream: &str| Config::from_json(with(upstream).as_bytes()).unwrap_err().to_string();
    let both = told(r#"{"alternatives": 1, "alternative_headers": ["x-second"]}"#);
    assert!(both.starts_with("upstream.alternative_headers: invalid value: `alternatives` beside them"), "{both}");
    let same = told(r#"{"header": "x-pod", "alternative_headers": ["x-pod"]}"#);
    assert!(same.starts_with("upstream.alternative_headers: invalid value: \"x-pod\""), "{same}");
}

#[test]
fn everything_but_the_pods_has_a_default() {
    let config = good(MINIMAL);
    assert_eq!(config.pool, "default");
    assert_eq!(config.policy, attainment::SLO_ATTAINMENT);
    assert_eq!(config.allowed_strategies, []);
    assert_eq!(config.fallback_policy, least_request::LEAST_REQUEST);
    assert_eq!(config.request.inspect, Inspect::Body);
    assert_eq!(config.request.paths, DEFAULT_PATHS);
    assert_eq!(config.request.image_tokens, 256);
    assert_eq!(config.request.session_header, None);
    assert_eq!(config.default_model, None);
    assert_eq!(config.prefix, PrefixMode::Route);
    let slo = SloConfig {
        default: None,
        allow_headers: true,
        infeasible: Infeasible::Serve,
        prefer: Prefer::Slack,
        late_cost_per_s: 0.3,
        late_budget: 0.01,
    };
    assert_eq!(config.slo, slo);
    assert_eq!(config.prediction, Prediction { kind: PredictionKind::Median, cold_tokens: 256 });
    assert_eq!(config.capacity.default_concurrency, None);
    assert_eq!(
        config.queue,
        QueueConfig { max_requests: 4096, max_wait: Duration::from_secs(60), late: LatePolicy::Last }
    );
    assert_eq!(config.profiles, ProfileSources::default());
    assert_eq!(config.replicas, None);
    assert_eq!(config.upstream.header, "x-gateway-destination-endpoint");
    assert!(!config.response.show_pod);
}

#[test]
fn each_bad_configuration_is_told_where_what_and_what_is_allowed() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/data/configs/bad.json")).unwrap();
    for case in cases {
        let mut config: Value = serde_json::from_str(MINIMAL).unwrap();
        for (key, value) in case["config"].as_object().unwrap() {
            config[key] = value.clone();
        }
        assert_eq!(error(config.to_string()), case["error"].as_str().unwrap(), "{config}");
    }
}

#[test]
fn pods_are_required() {
    assert_eq!(error("{}"), "missing field `pods`");
}

#[test]
fn a_name_may_stand_once() {
    assert_eq!(
        error(r#"{"models": {"a": {}, "a": {}}, "pods": {}}"#),
        "models: the name \"a\" stands here twice, expected names to be unique"
    );
    assert_eq!(error(r#"{"pool": "a", "pool": "b", "pods": {}}"#), "duplicate field `pool`");
}

#[test]
fn an_explicit_cold_start_stands_for_both_kinds() {
    for kind in ["median", "draw"] {
        let mut config: Value = serde_json::from_str(MINIMAL).unwrap();
        config["prediction"] = json!({ "kind": kind, "cold": 40 });
        assert_eq!(good(&config.to_string()).prediction.cold_tokens, 40);
    }
}

#[test]
fn a_base_may_be_a_model_that_only_pods_name_or_may_name_later() {
    let text = |models: &str, more: &str| {
        format!(
            r#"{{"models": {{"adapter": {{"base": "m"}}}}, "default_model": "adapter",
                "pods": {{"static": [{{"address": "10.0.0.7:80", "deployment": "a" {models}}}] {more}}}}}"#
        )
    };
    assert_eq!(good(&text(r#", "models": ["m"]"#, "")).models["adapter"].base.as_deref(), Some("m"));
    assert_eq!(good(&text("", "")).models["adapter"].base.as_deref(), Some("m"));
    let fetched = r#", "http": { "cluster": "pods", "path": "/" }"#;
    assert_eq!(good(&text(r#", "models": ["other"]"#, fetched)).models["adapter"].base.as_deref(), Some("m"));
}

#[test]
fn the_base_of_an_objective_may_be_zero() {
    let mut config: Value = serde_json::from_str(MINIMAL).unwrap();
    config["slo"] = json!({ "default": { "e2e_base": "0s", "e2e_per_output_token": "50ms" } });
    assert_eq!(good(&config.to_string()).slo.default.unwrap().e2e_base, Some(Duration::ZERO));
}

#[test]
fn exact_prompt_lengths_take_the_build_that_counts() {
    let mut config: Value = serde_json::from_str(MINIMAL).unwrap();
    config["request"] = json!({ "prompt_tokens": "exact" });
    if cfg!(feature = "exact") {
        assert_eq!(good(&config.to_string()).request.prompt_tokens, PromptTokens::Exact);
        config["request"]["inspect"] = "headers".into();
        assert_eq!(
            error(config.to_string()),
            "request.prompt_tokens: invalid value: \"exact\", expected \"estimate\"; with `inspect` \"headers\" there is \
             no prompt to count the tokens of"
        );
    } else {
        assert_eq!(
            error(config.to_string()),
            "request.prompt_tokens: invalid value: \"exact\", expected \"estimate\"; this build cannot count tokens, \
             slo_router_exact.wasm can"
        );
    }
}

#[test]
fn what_is_no_text_of_json_is_told_what_envoy_wants() {
    let hint = "configuration must be a google.protobuf.StringValue that holds JSON; ";
    assert_eq!(error(""), format!("{hint}it is empty"));
    assert_eq!(error(" \n"), format!("{hint}it is empty"));
    // A google.protobuf.Struct {"pool": "chat"}: a map entry of a key and a string value.
    let binary = b"\x0a\x0e\x0a\x04pool\x12\x06\x1a\x04chat";
    assert_eq!(error(binary), format!("{hint}it is binary, as a google.protobuf.Struct is"));
    // A mistake in JSON is none of this, nor is one in a value.
    assert_eq!(
        error("{\"pool\": \"\x7f\"}"),
        "pool: invalid value: string \"\\u{7f}\", expected 1 to 63 of a-z, 0-9 and -"
    );
    assert_eq!(error("{\n\t\"pool\": chat}"), "pool: expected value (line 2, column 10)");
    assert_eq!(error("pool: chat"), "expected value (line 1, column 1)");
}

#[test]
fn the_fingerprint_is_of_the_text_and_stays() {
    // FNV-1a, which other versions of the filter compute as well.
    assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(good(MINIMAL).fingerprint(), fingerprint(MINIMAL.as_bytes()));
    assert_ne!(good(MINIMAL).fingerprint(), good(&format!("{MINIMAL} ")).fingerprint());
}

#[test]
fn the_summary_is_one_line() {
    assert_eq!(
        good(FULL).summary(),
        "pool chat, policy slo-pack-load (fallback random), by the headers of requests to 2 paths, prompts estimated, \
         2 models and 2 classes declared, at most 100 waiting for 30s, profiles: 1 inline and from \
         profiles/profiles.json every 5s, pods: 2 static and from pods/pods.json every 10s, replicas meet in \
         Redis, by webdis every 200ms, pod named in x-envoy-original-dst-host"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(bytes in any::<Vec<u8>>()) {
        prop_assert!(Config::from_json(&bytes).is_err());
    }

    #[test]
    fn a_cut_text_is_refused_and_a_changed_one_read_or_refused(at in 0..FULL.trim_end().len(), byte in any::<u8>()) {
        let mut text = FULL.as_bytes().to_vec();
        prop_assert!(Config::from_json(&text[..at]).is_err());
        text[at] = byte;
        let _ = Config::from_json(&text);
    }
}
