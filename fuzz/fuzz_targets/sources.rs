//! Reading what servers answer never panics, and what a fetch makes of it is a document that is read: the first byte says
//! which source, each line after it is an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slo_router::config::Config;
use slo_router::sources::{FetchProgress, pods, profiles};

const SOURCES: [&str; 6] = [
    r#"{"pods": {"envoy": {"cluster": "c", "clusters": [{"name": "a", "deployment": "a"}]}}}"#,
    r#"{"pods": {"kubernetes": {"cluster": "c", "namespace": "n", "service": "s"}}}"#,
    r#"{"pods": {"kubernetes": {"cluster": "c", "namespace": "n", "inference_pool": "p"}}}"#,
    r#"{"pods": {"kubernetes": {"cluster": "c", "namespace": "n", "selector": "a=b"}}}"#,
    r#"{"pods": {"static": [{"address": "10.0.0.1:80", "deployment": "a"}]}, "profiles": {"webdis": {"cluster": "c"}}}"#,
    r#"{"pods": {"static": [{"address": "10.0.0.1:80", "deployment": "a"}]},
        "profiles": {"config_map": {"cluster": "c", "namespace": "n", "name": "p"}}}"#,
];

fuzz_target!(|input: &[u8]| {
    let Some((&kind, answers)) = input.split_first() else { return };
    let Some(text) = SOURCES.get(usize::from(kind)) else { return };
    let config = Config::from_json(text.as_bytes()).expect("the configurations are good");
    let (pod_source, profile_source) = (config.pods.fetched(), config.profiles.fetched());
    let Some(source) = pod_source.as_ref().or(profile_source.as_ref()) else { return };
    let mut fetch = source.fetch(None);
    for answer in answers.split(|byte| *byte == b'\n') {
        assert!(fetch.request().path.starts_with('/'));
        match fetch.read(answer) {
            Ok(FetchProgress::Next) => {}
            // An address may be one that no pod has, which the document's reader refuses.
            Ok(FetchProgress::Done(fetched)) if pod_source.is_some() => return drop(pods::parse(&fetched.document)),
            Ok(FetchProgress::Done(fetched)) => {
                profiles::parse(&fetched.document).expect("profiles were gathered into a document");
                return;
            }
            Err(_) => return,
        }
    }
});
