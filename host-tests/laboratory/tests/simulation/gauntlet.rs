//! The gauntlet's command line.

use std::path::Path;
use std::process::Command;

fn gauntlet(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lab")).arg("gauntlet").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_short_gauntlet_is_a_part_of_the_long_one() {
    let names = |arguments| {
        let (code, names) = gauntlet(arguments);
        assert_eq!(code, Some(0), "{names}");
        names.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (all, short) = (names(&["--list"]), names(&["--list", "--short"]));
    assert!(short.len() > 20 && short.len() < all.len() / 4);
    assert!(short.iter().all(|name| all.contains(name)));
    assert!(names(&["--list", "--cells", "^one-token@0.3/"]).len() == 1);
}

#[test]
fn a_cell_is_judged_kept_and_not_run_again() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gauntlet");
    let _absent_at_first = std::fs::remove_dir_all(&folder);
    let out = folder.to_str().unwrap();
    let arguments = ["--cells", "^one-token@0.3/", "--runs", "2", "--minutes", "0.5", "--out", out];
    let (code, first) = gauntlet(&arguments);
    assert_eq!(code, Some(0), "{first}");
    assert!(first.contains("one-token@0.3") && first.contains("1 cells, 0 laws not as they should be"), "{first}");
    let file = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file());
    let ran_at = |file: &Path| std::fs::metadata(file).unwrap().modified().unwrap();
    let file = file.unwrap();
    let before = ran_at(&file);
    assert_eq!(gauntlet(&arguments), (code, first));
    assert_eq!(ran_at(&file), before);
}

#[test]
fn a_wrong_flag_is_named() {
    for (argument, told) in [("--cells=(", "--cells"), ("--minutes=-1", "--minutes"), ("--runs=x", "--runs")] {
        let (code, output) = gauntlet(&[argument]);
        assert!(code != Some(0) && output.contains(told), "{output}");
    }
}
