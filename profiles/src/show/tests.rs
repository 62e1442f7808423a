use super::*;

const A100: &[u8] = include_bytes!("../../../tests/data/profiles/simulator-llama2-7b-a100.json");

fn a100() -> Shown {
    read(A100).unwrap().remove(0)
}

/// The cells of the first table's row for these output tokens.
fn row(text: &str, output_tokens: &str) -> Vec<String> {
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    text.lines().map(cells).find(|cells| cells.first().is_some_and(|first| first == output_tokens)).unwrap()
}

#[test]
fn a_table_has_the_rates_and_marks_what_is_infeasible() {
    let text = tables(&a100());
    assert!(text.starts_with("simulator-llama2-7b-a100: e2e 5.0 s for 99 of 100"), "{text}");
    assert_eq!(row(&text, "4"), ["4", "62.5", "32.3", "16.8", "8.51", "4.26"]);
    assert_eq!(row(&text, "512"), ["512", "-", "-", "-", "-", "-"]);
}

#[test]
fn the_load_of_a_request_is_the_filters() {
    let panels = a100().panels();
    let load = panels.iter().find(|panel| panel.title.starts_with("load")).unwrap();
    assert!((load.values[0][0].unwrap() - 0.160_816_58).abs() < 1e-8);
    assert_eq!(load.values[7][0], None);
}

#[test]
fn a_heat_map_is_a_picture_with_a_number_per_cell() {
    let svg = heat_map(&a100()).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("62.5") && svg.contains("infeasible"));
}

#[test]
fn a_document_has_a_picture_per_profile() {
    let profile = String::from_utf8(A100.to_vec()).unwrap();
    let document = format!(r#"{{"profiles": [{{"deployment": "ns/a", "profile": {profile}}}]}}"#);
    let shown = read(document.as_bytes()).unwrap();
    assert_eq!(shown.iter().map(|shown| shown.name.as_str()).collect::<Vec<_>>(), ["ns/a"]);
}

#[test]
fn what_is_no_profile_is_refused() {
    assert!(read(b"{}").is_err());
}
