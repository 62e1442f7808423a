//! Reading what servers answer never panics, and what a fetch makes of it is a document that is read: the first byte says
//! which source, each line after it is an answer.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use slo_router::config::Config;
use slo_router::sources::{Document, FetchProgress, Source};

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
    fetch(config.pods.fetched().as_deref(), answers);
    fetch(config.profiles.fetched().as_deref(), answers);
});

fn fetch<D: Document + Debug + PartialEq>(source: Option<&dyn Source<D>>, answers: &[u8]) {
    let Some(mut fetch) = source.map(|source| source.fetch(None)) else { return };
    for answer in answers.split(|byte| *byte == b'\n') {
        assert!(fetch.request().path.starts_with('/'));
        match fetch.read(answer) {
            Ok(FetchProgress::Next) => {}
            Ok(FetchProgress::Done(fetched)) => {
                assert_eq!(D::read(&fetched.bytes), Ok(fetched.document), "others read what was fetched");
                return;
            }
            Err(_) => return,
        }
    }
}
