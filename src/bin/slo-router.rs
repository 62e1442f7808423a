//! `slo-router check FILE`: says natively what the filter would say of a configuration.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use slo_router::config::Config;
use slo_router::reference::{self, ReferencePage};

const USAGE: &str = "\
Usage: slo-router check FILE       check the filter's JSON configuration
       slo-router reference DIR    write the pages of reference
       slo-router --version        print the version

Exit status: 0 if all is well, 1 if the configuration is refused, 2 if it was called wrongly.";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let [command, rest @ ..] = arguments.as_slice() else { return wrong_usage() };
    match (command.to_str(), rest) {
        (Some("check"), [file]) => check(Path::new(file)),
        (Some("reference"), [folder]) => write_reference(Path::new(folder)),
        (Some("--version" | "-V"), []) => {
            println!("slo-router {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        (Some("--help" | "-h"), []) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => wrong_usage(),
    }
}

fn check(file: &Path) -> ExitCode {
    let outcome = fs::read(file)
        .map_err(|error| error.to_string())
        .and_then(|text| Config::from_json(&text).map_err(|error| error.to_string()));
    match outcome {
        Ok(config) => {
            println!("{}: {}", file.display(), config.summary());
            if let Some(hidden) = config.hidden_default(&config.profiles.inline) {
                println!("{}: {hidden}", file.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn write_reference(folder: &Path) -> ExitCode {
    for ReferencePage { file, text } in reference::pages() {
        let path = folder.join(file);
        if let Err(error) = fs::write(&path, text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn wrong_usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
