//! The program itself, stopped in the middle: nothing that was measured is lost, and nothing is measured twice.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use laboratory::engine::{EngineSpec, Gpu, Model};
use laboratory::server::Servers;
use laboratory::server::simulated::{self, PodOptions};
use slo_profile::measurement::Measurements;

fn pod() -> (Servers, String) {
    let spec = EngineSpec::new(Gpu::H100, Model::Gqa8b).unwrap();
    let pods = simulated::start(vec![PodOptions { served_model: "m".into(), ..PodOptions::new(spec) }]).unwrap();
    let url = format!("http://{}", pods.addresses()[0]);
    (pods, url)
}

/// Measures two cells, whose 90 of 100 requests are to take at most 15 ms per output token.
fn start(url: &str, out: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slo-profile"));
    command.args(["measure", "--url", url, "--model", "m", "--deployment", "ns/pod", "--e2e-per-output-token", "15ms"]);
    command.args(["--outputs", "4", "--inputs", "64,128", "--requests", "50", "--precision", "0.3", "--out"]).arg(out);
    command.args(more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn ctrl_c_keeps_every_point_and_the_same_command_measures_the_others() {
    let (_pods, url) = pod();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("points.jsonl");
    let mut child = start(&url, &out, &[]);
    // A header, the idle server, and two rates.
    while lines(&out).len() < 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let before = lines(&out);
    assert!(start(&url, &out, &[]).wait().unwrap().success());
    let after = lines(&out);
    assert_eq!(after[..before.len()], before);
    let points = Measurements::load(&out).unwrap().points;
    let idle: Vec<u32> = points.iter().filter(|point| point.is_idle()).map(|point| point.input_tokens).collect();
    assert_eq!(idle, [64, 128], "each cell's idle server is asked once");
    // A third time there is nothing left to do.
    assert!(start(&url, &out, &[]).wait().unwrap().success());
    assert_eq!(lines(&out), after);
}

#[test]
fn a_budget_of_requests_ends_with_a_file_that_a_larger_one_goes_on_from() {
    let (_pods, url) = pod();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("points.jsonl");
    assert_eq!(start(&url, &out, &["--request-budget", "120"]).wait().unwrap().code(), Some(3));
    let before = lines(&out);
    let sent: u32 = Measurements::load(&out).unwrap().points.iter().map(|point| point.sent).sum();
    assert!(sent <= 120, "{sent}");
    assert!(start(&url, &out, &["--request-budget", "100000"]).wait().unwrap().success());
    assert_eq!(lines(&out)[..before.len()], before);
}

#[test]
fn a_budget_of_time_ends_in_time_with_whole_points() {
    let (_pods, url) = pod();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("points.jsonl");
    assert_eq!(start(&url, &out, &["--time-budget", "200ms"]).wait().unwrap().code(), Some(3));
    Measurements::load(&out).unwrap();
}
