//! AIBrix's rank (elapsed + expected − target, in seconds) is the negated slack.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;
use slo_router::scheduling::slack::{latest_start, slack_s};
use slo_router::scheduling::slo::Slo;
use slo_router::scheduling::time::Instant;

use crate::profile::assert_load;
use crate::{Features, a40, a100, golden};

/// Long enough after the clock's zero that no latest start lies before it.
const ARRIVAL: Instant = Instant::from_micros(3_600_000_000);

#[derive(Deserialize)]
struct Ranked {
    slo: AibrixSlo,
    #[serde(rename = "features[out,in]")]
    features: Features,
    elapsed: f64,
    rank: f64,
}

#[derive(Deserialize)]
struct AibrixSlo {
    e2e: Option<f64>,
    ttft: Option<f64>,
    tpot: Option<f64>,
    tpat: Option<f64>,
}

impl From<AibrixSlo> for Slo {
    fn from(slo: AibrixSlo) -> Self {
        let [e2e, ttft, tpot, e2e_per_token] =
            [slo.e2e, slo.ttft, slo.tpot, slo.tpat].map(|value| value.map(Duration::from_secs_f64));
        Self { e2e, ttft, tpot, e2e_per_token, ..Self::default() }
    }
}

fn rank(profile: &Profile, slo: &Slo, shape: Shape, elapsed: Duration) -> f64 {
    -slack_s(slo, shape, profile, elapsed).unwrap()
}

#[test]
fn the_slack_is_aibrix_s_negated_rank() {
    let cases: Vec<Ranked> = golden("rank");
    for Ranked { slo, features, elapsed, rank: expected } in cases {
        let rank = rank(&a100(), &slo.into(), features.into(), Duration::from_secs_f64(elapsed));
        assert!((rank - expected).abs() < 1e-8, "{rank} is not {expected}");
    }
}

#[test]
fn the_time_since_the_latest_start_is_aibrix_s_rank() {
    let cases: Vec<Ranked> = golden("rank");
    for Ranked { slo, features, elapsed, rank } in cases {
        let now = ARRIVAL.after(Duration::from_secs_f64(elapsed));
        let late_by = now.seconds_since(latest_start(&slo.into(), features.into(), &a100(), ARRIVAL).unwrap());
        assert!((late_by - rank).abs() < 2e-6, "{late_by} is not {rank}");
    }
}

#[test]
fn deployments_of_different_gpus_rank_and_charge_as_in_aibrix() {
    let cases: Vec<Value> = golden("heterogeneous_a100_a40");
    for case in cases {
        let shape = Shape::from(serde_json::from_value::<Features>(case["features"].clone()).unwrap());
        let mut ranked = [("a100", a100()), ("a40", a40())].map(|(name, profile)| {
            let expected = &case[name];
            let cell = profile.cell(shape);
            let e2e = profile.latency(cell).unwrap().as_secs_f64();
            let rank = rank(&profile, &profile.slo, shape, Duration::ZERO);
            assert!((e2e - expected["e2e"].as_f64().unwrap()).abs() < 1e-8, "{name}: {case}");
            assert!((rank - expected["rank0"].as_f64().unwrap()).abs() < 1e-8, "{name}: {case}");
            assert_eq!(profile.rate_per_s(cell).unwrap_or(0.0), expected["tput"].as_f64().unwrap(), "{name}: {case}");
            assert_load(&profile, shape, &expected["consumption"]);
            (name, rank)
        });
        ranked.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        assert_eq!(serde_json::json!(ranked.map(|(name, _)| name)), case["order"], "{case}");
    }
}
