//! The schema holds for what is shipped and for what is built, and refuses what the filter refuses.

mod common;

use common::{VirtualServer, campaign, measure, spec};
use laboratory::engine::Gpu;
use serde_json::{Value, json};
use slo_profile::build::{Labels, ProfileText, build};
use slo_profile::check::check;
use slo_profile::grid::Grid;
use slo_profile::measurement::{Header, Measurements, Source};
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("../profile.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn assert_valid(text: &str) {
    let document = serde_json::from_str(text).unwrap();
    let errors: Vec<_> = schema().iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn the_shipped_profiles_are_valid() {
    assert_valid(include_str!("../demo.json"));
    assert_valid(include_str!("../samples/llama-h100.json"));
    assert_valid(include_str!("../../tests/data/profiles/simulator-llama2-7b-a100.json"));
}

#[test]
fn a_built_profile_is_valid_and_the_filter_reads_what_was_measured() {
    let campaign = campaign(Grid { output_tokens: vec![16, 32], input_tokens: vec![64, 256] });
    let (points, _) = measure(&campaign, &mut VirtualServer::new(spec(Gpu::L20)), Vec::new());
    let source = Source::Measured { url: "http://pod".into(), seed: 1, shared_prefix_tokens: 0 };
    let measurements = Measurements { header: Header::new("ns/l20", "m", source), points };
    let built = build(&measurements, campaign.objective);
    let labels = Labels { cost: 1.5, created_unix_s: 1_764_000_000.0 };
    let text = ProfileText::new(&built, &measurements.header, &labels).to_text();
    assert_valid(&text);
    assert_eq!(check(text.as_bytes()).iter().filter(|finding| finding.is_error).count(), 0);
    let read = Profile::from_json(text.as_bytes()).unwrap();
    assert_eq!((read.gpu.as_str(), read.cost, read.slo), ("l20", 1.5, campaign.objective.slo));
    let cell = read.cell(Shape { output_tokens: 32, input_tokens: 256 });
    let measured = built.cells[1][1].rate_per_s.unwrap();
    assert!((read.rate_per_s(cell).unwrap() - measured).abs() < 1e-3);
    let document: Value = serde_json::from_str(&text).unwrap();
    let p90 = document["concurrency_p90"][1][1].as_f64().unwrap();
    assert!(p90 >= document["concurrency"][1][1].as_f64().unwrap(), "{text}");
}

#[test]
fn what_the_filter_refuses_the_schema_refuses() {
    let good = json!({"gpu": "a", "indexes": [[16], [64]], "tputs": [[1.0]]});
    assert!(schema().is_valid(&good));
    for (field, value) in [
        ("tputs", json!([[-1.0]])),
        ("tputs", json!(null)),
        ("indexes", json!([[16]])),
        ("indexes", json!([[16], [0]])),
        ("gpu", json!(1)),
        ("cost", json!(-1)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!schema().is_valid(&bad), "{bad}");
        assert!(Profile::from_json(bad.to_string().as_bytes()).is_err(), "{bad}");
    }
}
