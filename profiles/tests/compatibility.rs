//! AIBrix's raw rows give the profile that its repository has, byte for byte.

use slo_profile::build::aibrix::{AibrixObjective, build};
use slo_profile::build::{Labels, ProfileText};
use slo_profile::import::{Format, import};
use slo_profile::measurement::{Header, Measurements, Source};

const ROWS: &str = include_str!("data/aibrix/simulator-llama2-7b-a100.jsonl");
const PROFILE: &str = include_str!("../../tests/data/profiles/simulator-llama2-7b-a100.json");
const DEPLOYMENT: &str = "simulator-llama2-7b-a100";

#[test]
fn the_a100_rows_give_the_repositorys_profile_byte_for_byte() {
    let header = Header::new(DEPLOYMENT, "llama2-7b", Source::Imported { from: "aibrix_benchmark".into() });
    let measurements = Measurements { header, points: import(Format::Aibrix, ROWS).unwrap() };
    let saved = tempfile::tempdir().unwrap();
    let path = saved.path().join("points.jsonl");
    measurements.save(&path).unwrap();
    let objective = AibrixObjective { percentile: Some(99), e2e_s: Some(5.0), ..AibrixObjective::default() };
    let profile = build(&Measurements::load(&path).unwrap(), &objective).unwrap();
    let labels = Labels { cost: 1.0, created_unix_s: 1_748_888_478.258_241 };
    assert_eq!(ProfileText::aibrix(&profile, DEPLOYMENT, &labels).to_python_line(), PROFILE.trim_end());
}
