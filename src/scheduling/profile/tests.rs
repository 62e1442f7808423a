use std::time::Duration;

use proptest::prelude::*;

use super::{Cell, Profile, ProfileError, without_nan};
use crate::scheduling::load::Load;
use crate::scheduling::shape::Shape;
use crate::scheduling::slack::slack_s;
use crate::scheduling::slo::{Slo, SloKind};

const A100: &str = include_str!("../../../tests/data/profiles/simulator-llama2-7b-a100.json");

/// Two output ticks, three input ticks; the last cell is infeasible.
const SMALL: &str = r#"{"gpu": "g", "indexes": [[4, 16], [8, 32, 128]],
    "tputs": [[4, 2, 1], [2, 1, 0]], "e2e": [[1, 2, 4], [2, 4, 8]], "ttft": [[0.1, 0.2, 0.4], [0.1, 0.2, 0.4]],
    "slos": {"percentile": 99, "tput": 3, "tt": 0, "ttft": 0, "tpot": 0.05, "tpat": 0.01}}"#;

fn small() -> Profile {
    Profile::from_json(SMALL.as_bytes()).unwrap()
}

/// [`SMALL`] with one text for another, which must be in it.
fn changed(old: &str, new: &str) -> Result<Profile, ProfileError> {
    assert!(SMALL.contains(old), "{old}");
    Profile::from_json(SMALL.replacen(old, new, 1).as_bytes())
}

fn at(row: usize, column: usize) -> Cell {
    Cell { row, column, clamped: false }
}

#[test]
fn what_no_profile_can_have_is_refused_by_field_cell_value_and_expectation() {
    let cases = [
        ("[[4, 16], [8, 32, 128]]", "[[4, 16]]", "indexes: 1 axes, expected two axes: output tokens, input tokens"),
        ("[8, 32, 128]", "[]", "indexes[1]: 0 ticks, expected 1 to 64 ticks"),
        (
            "[8, 32, 128]",
            "[8, 8, 128]",
            "indexes[1][1]: 8, expected positive, finite numbers of tokens, strictly ascending",
        ),
        ("[4, 16]", "[0, 16]", "indexes[0][0]: 0, expected positive, finite numbers of tokens, strictly ascending"),
        (
            "[4, 16]",
            "[4, Infinity]",
            "indexes[0][1]: no number, expected positive, finite numbers of tokens, strictly ascending",
        ),
        ("[[4, 2, 1], [2, 1, 0]]", "[[4, 2, 1]]", "tputs: 1 rows, expected 2 rows, as indexes[0] has ticks"),
        ("[2, 4, 8]]", "[2, 4]]", "e2e[1]: 2 cells, expected 3 cells, as indexes[1] has ticks"),
        ("[2, 1, 0]", "[2, -1.5, 0]", "tputs[1][1]: -1.5, expected a rate of 0 requests/s or more"),
        ("[1, 2, 4]", "[-1, 2, 4]", "e2e[0][0]: -1, expected a latency of 0 seconds or more"),
        ("[0.1, 0.2, 0.4]]", "[0.1, 0.2, -2]]", "ttft[1][2]: -2, expected a latency of 0 seconds or more"),
        ("\"tpot\": 0.05", "\"tpot\": -1", "slos.tpot: -1, expected 0 (not set) or more seconds"),
        ("\"gpu\": \"g\"", "\"gpu\": \"g\", \"cost\": -2", "cost: -2, expected a cost of 0 or more"),
    ];
    for (old, new, message) in cases {
        assert_eq!(changed(old, new).unwrap_err().to_string(), message);
    }
}

#[test]
fn axes_longer_than_any_grid_are_refused() {
    let ticks: Vec<u32> = (1..=65).collect();
    let error = changed("[4, 16]", &format!("{ticks:?}")).unwrap_err();
    assert_eq!(error.to_string(), "indexes[0]: 65 ticks, expected 1 to 64 ticks");
}

#[test]
fn what_is_not_a_profile_is_refused_with_the_parser_s_reason() {
    for (old, new, reason) in [("\"tputs\"", "\"rates\"", "missing field `tputs`"), ("\"g\"", "7", "invalid type")] {
        let error = changed(old, new).unwrap_err();
        assert!(matches!(error, ProfileError::Json(_)));
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_gpu_costs_1_unless_the_profile_says_otherwise() {
    assert_eq!(small().cost, 1.0);
    assert_eq!(changed("\"gpu\"", "\"cost\": 0.3, \"gpu\"").unwrap().cost, 0.3);
}

#[test]
fn only_objectives_that_are_set_are_read() {
    let expected =
        Slo { tpot: Some(Duration::from_millis(50)), e2e_per_token: Some(Duration::from_millis(10)), ..Slo::default() };
    assert_eq!(small().slo, expected);
    let own = changed("\"tpot\": 0.05, \"tpat\": 0.01", "\"e2e_per_output_token\": 0.05, \"e2e_base\": 1").unwrap().slo;
    assert_eq!(
        (own.e2e_per_output_token, own.e2e_base),
        (Some(Duration::from_millis(50)), Some(Duration::from_secs(1)))
    );
}

#[test]
fn cells_without_data_are_infeasible() {
    for missing in ["NaN", "null", "Infinity", "-Infinity", "0"] {
        let without_rate = changed("[4, 2, 1]", &format!("[{missing}, 2, 1]")).unwrap();
        assert_eq!((without_rate.rate_per_s(at(0, 0)), without_rate.load(at(0, 0))), (None, None), "{missing}");

        let without_latency = changed("[1, 2, 4]", &format!("[{missing}, 2, 4]")).unwrap();
        assert_eq!(without_latency.rate_per_s(at(0, 0)), Some(4.0), "{missing}");
        assert_eq!((without_latency.latency(at(0, 0)), without_latency.load(at(0, 0))), (None, None), "{missing}");
    }
    assert!(small().load(at(0, 0)).is_some());
}

#[test]
fn a_request_takes_the_inverse_of_what_a_pod_sustains_and_at_most_a_pod() {
    assert_eq!(small().load(at(0, 0)), Some(Load::from_micro(250_000)));
    assert_eq!(changed("[4, 2, 1]", "[0.5, 2, 1]").unwrap().load(at(0, 0)), Some(Load::CAPACITY));
}

#[test]
fn first_tokens_are_expected_by_the_ttft_matrix_and_ends_by_e2e() {
    let cell = at(1, 1);
    assert_eq!(small().expected(SloKind::Ttft, cell), Some(Duration::from_millis(200)));
    for kind in [SloKind::Tpot, SloKind::E2ePerOutputToken, SloKind::E2ePerToken, SloKind::E2e] {
        assert_eq!(small().expected(kind, cell), Some(Duration::from_secs(4)), "{kind:?}");
    }
}

#[test]
fn a_ttft_objective_without_a_ttft_matrix_cannot_rank() {
    let by_ttft = SMALL.replace("\"ttft\": 0, \"tpot\": 0.05", "\"ttft\": 1");
    let slack =
        |profile: &Profile| slack_s(&profile.slo, Shape { output_tokens: 4, input_tokens: 8 }, profile, Duration::ZERO);
    assert!(slack(&Profile::from_json(by_ttft.as_bytes()).unwrap()).is_some());
    let without_matrix = by_ttft.replace("\"ttft\": [[", "\"ignored\": [[");
    let profile = Profile::from_json(without_matrix.as_bytes()).unwrap();
    assert!(profile.has_pending_load() && slack(&profile).is_none());
}

#[test]
fn an_end_to_end_latency_is_scaled_to_the_output_between_ticks_and_no_further() {
    let profile = Profile::from_json(A100.as_bytes()).unwrap();
    let expected = |output_tokens| {
        let shape = Shape { output_tokens, input_tokens: 512 };
        profile.expected_for(SloKind::E2e, shape).unwrap().as_secs_f64()
    };
    let at_tick = |output_tokens| {
        let cell = profile.cell(Shape { output_tokens, input_tokens: 512 });
        profile.expected(SloKind::E2e, cell).unwrap().as_secs_f64()
    };
    assert!((expected(64) - at_tick(64)).abs() < 1e-9);
    assert!((expected(48) - at_tick(64) * 0.75).abs() < 1e-6, "{}", expected(48));
    assert!((expected(80) - at_tick(64) * 1.25).abs() < 1e-6, "{}", expected(80));
    assert!((expected(1) - at_tick(4)).abs() < 1e-9 && (expected(4_096) - at_tick(512)).abs() < 1e-9);
}

#[test]
fn shapes_beyond_either_end_are_clamped() {
    let cell = |output_tokens, input_tokens| small().cell(Shape { output_tokens, input_tokens });
    assert_eq!(cell(4, 128), at(0, 2));
    assert_eq!(cell(3, 128), Cell { clamped: true, ..at(0, 2) });
    assert_eq!(cell(0, 0), Cell { clamped: true, ..at(0, 0) });
    assert_eq!(cell(16, 129), Cell { clamped: true, ..at(1, 2) });
    assert_eq!(cell(u32::MAX, u32::MAX), Cell { clamped: true, ..at(1, 2) });
}

#[test]
fn the_exact_midpoint_goes_up() {
    let row = |output_tokens| small().cell(Shape { output_tokens, input_tokens: 8 }).row;
    assert_eq!((row(7), row(8)), (0, 1));
}

#[test]
fn a_feasible_cell_is_its_own_nearest() {
    assert_eq!(small().nearest_feasible(at(1, 1)), Some(at(1, 1)));
}

#[test]
fn among_equally_near_feasible_cells_the_one_with_fewer_output_tokens_is_taken() {
    // [0][2] and [1][1] both lie two doublings from [1][2].
    assert_eq!(small().nearest_feasible(at(1, 2)), Some(at(0, 2)));
    let without_it = changed("[4, 2, 1]", "[4, 2, 0]").unwrap();
    assert_eq!(without_it.nearest_feasible(at(1, 2)), Some(at(1, 1)));
}

#[test]
fn a_profile_without_a_feasible_cell_has_no_nearest() {
    let profile = changed("[[4, 2, 1], [2, 1, 0]]", "[[0, 0, 0], [0, 0, 0]]").unwrap();
    assert!(profile.has_pending_load());
    assert_eq!(profile.nearest_feasible(at(0, 0)), None);
}

#[test]
fn words_for_no_number_are_replaced_outside_strings_only() {
    let cases = [
        (r#"[NaN, Infinity, -Infinity]"#, r#"[null, null, null]"#),
        (r#"{"NaN": "-Infinity", "a": NaN}"#, r#"{"NaN": "-Infinity", "a": null}"#),
        (r#"["\"NaN", "\\", NaN]"#, r#"["\"NaN", "\\", null]"#),
    ];
    for (json, expected) in cases {
        assert_eq!(without_nan(json.as_bytes()).as_ref(), expected.as_bytes());
    }
}

#[test]
fn words_that_are_no_value_of_their_own_stay_an_error() {
    for json in ["[1NaN]", "[NaNNaN]", "{NaN: 1}", "[-NaN]", "[--Infinity]", "[nan]", "[+Infinity]", "[NaN"] {
        assert!(serde_json::from_slice::<serde_json::Value>(&without_nan(json.as_bytes())).is_err(), "{json}");
    }
}

/// Strictly ascending ticks, whole or fractional.
fn ticks() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![(1_u32..70_000).prop_map(f64::from), 0.1..70_000.0], 1..12).prop_map(
        |mut ticks| {
            ticks.sort_by(f64::total_cmp);
            ticks.dedup();
            ticks
        },
    )
}

proptest! {
    #[test]
    fn a_cell_is_the_nearest_tick_of_both_axes_in_log2(
        outputs in ticks(), inputs in ticks(), output_tokens in 0_u32..100_000, input_tokens in 0_u32..100_000,
    ) {
        let rates = vec![vec![1.0; inputs.len()]; outputs.len()];
        let json = serde_json::json!({"gpu": "g", "indexes": [&outputs, &inputs], "tputs": rates}).to_string();
        let cell = Profile::from_json(json.as_bytes()).unwrap().cell(Shape { output_tokens, input_tokens });
        for (ticks, index, tokens) in [(outputs, cell.row, output_tokens), (inputs, cell.column, input_tokens)] {
            // No tokens are as far from any tick as from any other by their logarithm, yet nearest
            // to the first.
            let far = |tick: f64| (tick.log2() - f64::from(tokens).max(1e-9).log2()).abs();
            let nearest = ticks.iter().map(|tick| far(*tick)).fold(f64::INFINITY, f64::min);
            prop_assert!(far(ticks[index]) <= nearest + 1e-9, "{tokens} in {ticks:?}: {index}");
        }
    }

    #[test]
    fn the_nearest_feasible_cell_is_feasible_and_none_is_nearer(
        rates in prop::collection::vec(prop::collection::vec(0_u8..2, 4), 5), row in 0_usize..5, column in 0_usize..4,
    ) {
        let ticks = [vec![1.0_f64, 2.0, 8.0, 9.0, 100.0], vec![3.0, 4.0, 64.0, 65.0]];
        let json = serde_json::json!({"gpu": "g", "indexes": ticks, "tputs": rates, "e2e": vec![[1; 4]; 5]}).to_string();
        let far = |r: usize, c: usize| {
            (ticks[0][r].log2() - ticks[0][row].log2()).hypot(ticks[1][c].log2() - ticks[1][column].log2())
        };
        let feasible = (0..5).flat_map(|r| (0..4).map(move |c| (r, c))).filter(|(r, c)| rates[*r][*c] > 0);
        let nearest = feasible.map(|(r, c)| far(r, c)).min_by(f64::total_cmp);
        let found = Profile::from_json(json.as_bytes()).unwrap().nearest_feasible(at(row, column));
        prop_assert!(found.is_none_or(|cell| rates[cell.row][cell.column] > 0));
        prop_assert_eq!(found.map(|cell| far(cell.row, cell.column)), nearest);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Profile::from_json(&bytes);
    }

    #[test]
    fn any_damaged_profile_is_refused_or_answers_for_every_shape(
        damage in prop::collection::vec((0..A100.len(), prop_oneof![
            any::<u8>(),
            prop::sample::select(b"0123456789-.eE[]{},\"N".to_vec()),
        ]), 1..4),
        shapes in prop::collection::vec((any::<u32>(), any::<u32>()), 4),
    ) {
        let mut bytes = A100.as_bytes().to_vec();
        for (index, byte) in damage {
            bytes[index] = byte;
        }
        let Ok(profile) = Profile::from_json(&bytes) else { return Ok(()) };
        for (output_tokens, input_tokens) in shapes {
            let cell = profile.cell(Shape { output_tokens, input_tokens });
            prop_assert!(profile.rate_per_s(cell).is_none_or(|rate| rate.is_finite() && rate > 0.0));
            prop_assert!(profile.load(cell).is_none_or(|load| load > Load::ZERO && load <= Load::CAPACITY));
            let near = profile.nearest_feasible(cell);
            prop_assert_eq!(near.and_then(|near| profile.load(near)).is_some(), profile.has_pending_load());
        }
    }
}
