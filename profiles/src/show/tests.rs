use super::*;

const MEASURED: &[u8] = br#"{"profiles": [{"deployment": "default/llama-a10", "model": null, "profile": {
    "gpu": "llama-a10", "cost": 1.0, "created": 1.0, "indexes": [[16], [64, 128, 256, 512, 1024, 2048]],
    "tputs": [[41.682, 18.02, 5.5612, 1.3399, 0.1267, 0]], "e2e": [[0.6676, 0.667, 0.67, 0.672, 0.7, 0]],
    "slos": {"percentile": 90, "e2e_per_output_token": 0.05}}}]}"#;

#[test]
fn a_table_has_the_rates_and_marks_what_is_infeasible() {
    let profiles = read(MEASURED).unwrap();
    let text = tables(&profiles[0]);
    assert!(text.starts_with("default/llama-a10: e2e_per_output_token 0.05 s for 90 of 100"), "{text}");
    let first_row = text.lines().find(|line| line.trim_start().starts_with("16 ")).unwrap();
    assert_eq!(first_row.split_whitespace().collect::<Vec<_>>(), ["16", "41.7", "18.0", "5.56", "1.34", "0.127", "-"]);
}

#[test]
fn the_load_of_a_request_is_the_filters() {
    let profiles = read(MEASURED).unwrap();
    let panels = profiles[0].panels();
    let load = panels.iter().find(|panel| panel.title.starts_with("load")).unwrap();
    // 1 / (41.682 * 0.6676), and more than a pod counts as one.
    assert!((load.values[0][0].unwrap() - 0.03594).abs() < 1e-4);
    assert_eq!(load.values[0][4], Some(1.0));
    assert_eq!(load.values[0][5], None);
}

#[test]
fn a_heat_map_is_a_picture_with_a_number_per_cell() {
    let profiles = read(MEASURED).unwrap();
    let svg = heat_map(&profiles[0]).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("41.7") && svg.contains("infeasible"));
}

#[test]
fn what_is_no_profile_is_refused() {
    assert!(read(b"{}").is_err());
}
