//! The command line.

use std::process::Command;

fn simulate(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .arg("simulate")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(arguments)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_wrong_flag_is_named_with_what_is_allowed() {
    for (arguments, told) in [
        (["--policies", "slow"], ["--policies", "unknown policy \"slow\"", "plain-least-request"]),
        (["--rates", "4,0"], ["--rates", "'0'", "above 0"]),
        (["--runs", "0"], ["--runs", "0", "1..=1000"]),
        (["--minutes", "NaN"], ["--minutes", "NaN", "above 0"]),
        (["--warm-up-minutes=-1", "--runs=1"], ["--warm-up-minutes", "-1", "from 0"]),
        (["--workers", "65"], ["--workers", "65", "1..=64"]),
        (["--scenario", "d"], ["--scenario", "\"d\"", "seed-e2e"]),
        (["--filter", "[]"], ["--filter", "[]", "not a JSON object"]),
        (["--filter", "{\"pools\": 1}"], ["--filter", "pools", "unknown field"]),
        (["--profiles", "nowhere.json"], ["--profiles", "nowhere.json", "cannot read"]),
        (["--trace", "nowhere.csv"], ["nowhere.csv", "line 1", "cannot be read"]),
        (["--trace", "poem=t.csv"], ["--trace", "unknown class", "text-to-sql"]),
    ] {
        let (succeeded, output) = simulate(&arguments);
        assert!(!succeeded, "{arguments:?}: {output}");
        for word in told {
            assert!(output.contains(word), "{arguments:?}: {word:?} is not in {output}");
        }
    }
}

#[test]
fn a_sweep_leaves_a_table_its_figures_and_a_plot() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep");
    let out = folder.to_str().unwrap();
    let arguments =
        ["--policies", "slo,round-robin", "--rates", "3,1", "--runs", "2", "--minutes", "0.5", "--out", out];
    let (succeeded, output) = simulate(&arguments);
    assert!(succeeded, "{output}");
    assert!(output.contains("round-robin") && output.contains("95 % confidence"), "{output}");
    let figures: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("seed-a.json")).unwrap()).unwrap();
    let rates = figures["policies"][0]["points"].as_array().unwrap().iter().map(|point| &point["rate_per_s"]);
    assert_eq!(rates.collect::<Vec<_>>(), [1.0, 3.0]);
    let summary = &figures["policies"][1]["points"][1]["figures"][0];
    assert_eq!(summary["attainment_of_runs"].as_array().unwrap().len(), 2);
    assert!(std::fs::read_to_string(folder.join("seed-a.svg")).unwrap().contains("arrivals per second"));
}

#[test]
fn a_recorded_trace_takes_the_place_of_the_scenarios_traffic() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace");
    std::fs::create_dir_all(&folder).unwrap();
    let rows = (0..60).map(|second| format!("{second},200,50\n")).collect::<String>();
    let trace = folder.join("t.csv");
    std::fs::write(&trace, format!("arrival_s,input_tokens,output_tokens\n{rows}")).unwrap();
    let (out, trace) = (folder.to_str().unwrap(), format!("code={}", trace.display()));
    let arguments = ["--policies", "round-robin", "--trace", &trace, "--runs", "1", "--minutes", "1", "--out", out];
    let (succeeded, output) = simulate(&arguments);
    assert!(succeeded, "{output}");
    let figures: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("seed-a.json")).unwrap()).unwrap();
    assert!(figures["setup"]["traffic"].as_str().unwrap().starts_with("replay of "), "{output}");
    let points = figures["policies"][0]["points"].as_array().unwrap();
    // Its own rate: one per second.
    assert_eq!(points.iter().map(|point| &point["rate_per_s"]).collect::<Vec<_>>(), [1.0]);
    assert_eq!(points[0]["figures"][1]["class"], "code");
}
