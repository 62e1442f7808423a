//! Cells and pending load.

use std::time::Duration;

use serde_json::Value;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slo::Slo;

use crate::{Features, a40, a100, a100_without_latencies, golden};

/// AIBrix's shares of a pod are floats, ours whole millionths, rounded down.
pub(crate) fn assert_load(profile: &Profile, shape: Shape, expected: &Value) {
    let load = profile.load(profile.cell(shape));
    match expected.as_f64() {
        Some(share) => {
            let less = share - load.expect("a feasible cell").as_share();
            assert!((-1e-9..1e-6).contains(&less), "{shape:?}: {load:?}, expected {share}");
        }
        None => assert_eq!((load, expected.as_str()), (None, Some("SLO_FAILURE")), "{shape:?}"),
    }
}

#[test]
fn every_shape_finds_aibrix_s_cell() {
    let profile = a100();
    let cases: Vec<Value> = golden("signature");
    for case in cases {
        // AIBrix has an error for negative tokens; here the type rules them out.
        let Ok(features) = serde_json::from_value::<Features>(case["features"].clone()) else {
            assert_eq!(case["expect"], "error");
            continue;
        };
        let cell = profile.cell(features.into());
        assert_eq!(serde_json::json!([cell.row, cell.column]), case["expect"], "{case}");
    }
}

#[test]
fn every_cell_has_aibrix_s_pending_load() {
    let profile = a100();
    let rows: Vec<Vec<Value>> = golden("pending_load_consumption");
    for (row, loads) in rows.iter().enumerate() {
        for (column, expected) in loads.iter().enumerate() {
            assert_load(&profile, Shape { output_tokens: 4 << row, input_tokens: 128 << column }, expected);
        }
    }
}

#[test]
fn a_pod_takes_as_many_requests_as_aibrix_s() {
    let case: Value = golden("pull_block_test");
    let profile = a100();
    let one = profile.load(profile.cell(Shape { output_tokens: 1, input_tokens: 1 })).unwrap();
    let (mut taken, mut pod) = (0, Load::ZERO);
    while pod.fits(one) {
        pod += one;
        taken += 1;
    }
    assert_eq!(case["admitted_per_pod"], taken);
}

#[test]
fn the_profile_s_own_fields_are_read() {
    let profile = a100();
    assert_eq!(profile.gpu, "simulator-llama2-7b-a100");
    assert_eq!(profile.cost, 1.0);
    assert_eq!(profile.created_s, Some(1_748_888_478.258_241));
    assert_eq!(profile.slo, Slo { e2e: Some(Duration::from_secs(5)), ..Slo::default() });
    assert!(profile.has_pending_load());
    assert_eq!(a40().cost, 0.3);
}

#[test]
fn the_old_format_has_rates_but_neither_pending_load_nor_ranking() {
    let profile = a100_without_latencies();
    let cell = profile.cell(Shape { output_tokens: 4, input_tokens: 128 });
    assert_eq!(profile.rate_per_s(cell), Some(62.477_059_203_790_8));
    assert_eq!(profile.load(cell), None);
    assert!(!profile.has_pending_load() && profile.slo.is_empty());
    assert_eq!(profile.created_s, None);
}
