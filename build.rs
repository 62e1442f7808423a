//! Tells the filter which commit it was built from, for the log at start.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/index");
    let describe = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let hash = describe.ok().filter(|output| output.status.success()).and_then(|output| {
        let hash = String::from_utf8(output.stdout).ok()?;
        Some(hash.trim().to_owned())
    });
    println!("cargo::rustc-env=SLO_ROUTER_GIT_HASH={}", hash.unwrap_or_else(|| "unknown".to_owned()));
}
