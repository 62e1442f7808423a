//! Conformance with AIBrix's SLO router: what it computes, the core computes too; where it differs
//! on purpose, the test says so.
//!
//! Left out on purpose: AIBrix's request traces and their keys (written for its GPU optimizer), its pools of recycled
//! request records, and how it finds a pod's deployment and port in Kubernetes, which have no counterpart here. What else is
//! left out, or built otherwise, each file says for its part.

mod placement;
mod prediction;
mod profile;
mod queue;
mod rank;
mod router;
mod support;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;

/// `[output tokens, input tokens]`, in AIBrix's order.
#[derive(Clone, Copy, Deserialize)]
struct Features([u32; 2]);

impl From<Features> for Shape {
    fn from(Features([output_tokens, input_tokens]): Features) -> Self {
        Self { output_tokens, input_tokens }
    }
}

fn golden<T: DeserializeOwned>(section: &str) -> T {
    let mut golden: Value = serde_json::from_str(include_str!("../data/golden.json")).unwrap();
    serde_json::from_value(golden[section].take()).unwrap()
}

fn a100() -> Profile {
    Profile::from_json(include_bytes!("../data/profiles/simulator-llama2-7b-a100.json")).unwrap()
}

fn a100_without_latencies() -> Profile {
    Profile::from_json(include_bytes!("../data/profiles/simulator-llama2-7b-a100_obsoleted_v1.json")).unwrap()
}

fn a40() -> Profile {
    Profile::from_json(include_bytes!("../data/profiles/derived-a40-p99-e2e5.json")).unwrap()
}
