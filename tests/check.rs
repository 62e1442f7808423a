//! The command `slo-router check`, as people and pipelines call it.

use std::process::{Command, Output};

fn slo_router(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_slo-router");
    Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

#[track_caller]
fn assert_says(arguments: &[&str], status: i32, stdout: &str, stderr: &str) {
    let output = slo_router(arguments);
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(output.status.code(), Some(status));
}

#[test]
fn a_good_configuration_is_summed_up() {
    assert_says(
        &["check", "tests/data/configs/minimal.json"],
        0,
        "tests/data/configs/minimal.json: pool default, policy slo-attainment (fallback least-request), by the body of requests to \
         5 paths, prompts estimated, 0 models and 0 classes declared, at most 4096 waiting for 60s, profiles: 0 inline, \
         pods: 0 static and from pods/pods.json every 10s, pod named in x-gateway-destination-endpoint\n",
        "",
    );
}

#[test]
fn a_bad_configuration_is_refused_with_the_path() {
    let output = slo_router(&["check", "tests/data/configs/typo.json"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with(
            "tests/data/configs/typo.json: polcy: unknown field `polcy`, expected one of `pool`, `policy`"
        ),
        "{stderr}"
    );
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_says(
        &["check", "tests/data/configs/none.json"],
        1,
        "",
        "tests/data/configs/none.json: No such file or directory (os error 2)\n",
    );
}

#[test]
fn the_version_is_told() {
    assert_says(&["--version"], 0, concat!("slo-router ", env!("CARGO_PKG_VERSION"), "\n"), "");
}

#[test]
fn a_wrong_call_is_told_the_usage() {
    for arguments in [&[][..], &["check"], &["check", "a", "b"], &["chek", "a"], &["--version", "a"]] {
        let output = slo_router(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("Usage: slo-router check FILE"), "{stderr}");
        assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]));
    }
}

#[test]
fn help_is_no_mistake() {
    let output = slo_router(&["--help"]);
    assert!(output.stdout.starts_with(b"Usage: slo-router check FILE"));
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}
