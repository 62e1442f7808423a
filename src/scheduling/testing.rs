//! Pools and requests for tests: what a request would be on a deployment is chosen freely by its
//! prompt.

use crate::scheduling::policies::pull;
use serde_json::json;

use super::load::Load;
use super::pool::{Model, PodSpec, Pool, ProfileEntry};
use super::profile::Profile;
use super::request::{Arrival, Assessment, Request, RequestId};
use super::shape::Shape;
use super::slo::Slo;
use super::time::Instant;

/// The moment at which tests begin: long enough after zero that nothing lies before it.
pub(crate) const START: Instant = Instant::from_micros(3_600_000_000);

/// Load and latency of a request of one shape on a deployment: the share of a pod that it takes (0:
/// infeasible), and the mean time from its start to its end, in seconds.
pub(crate) type Cell = (f64, f64);

/// A profile in which the k-th shape (see [`shape`]) is the k-th of `cells`, with an end-to-end
/// objective (0: none).
pub(crate) fn profile(cells: &[Cell], slo_e2e_s: f64) -> Profile {
    let rates: Vec<f64> = cells.iter().map(|(load, e2e)| if *load > 0.0 { 1.0 / load / e2e } else { 0.0 }).collect();
    let latencies: Vec<f64> = cells.iter().map(|(_, e2e)| *e2e).collect();
    let ticks: Vec<u32> = (0..cells.len()).map(|k| shape(k).input_tokens).collect();
    let document = json!({
        "gpu": "test", "indexes": [[1], ticks], "tputs": [rates], "e2e": [latencies], "slos": { "e2e": slo_e2e_s },
    });
    Profile::from_json(document.to_string().as_bytes()).unwrap()
}

/// The k-th shape.
pub(crate) fn shape(k: usize) -> Shape {
    Shape { output_tokens: 1, input_tokens: 4_u32.pow(u32::try_from(k).unwrap()) }
}

/// Deployments by name, number of pods and profile. The p-th pod of the d-th deployment is
/// `10.0.d.p:8000`.
pub(crate) fn pool(deployments: &[(&str, u8, Option<Profile>)]) -> Pool {
    let pods = deployments.iter().enumerate().flat_map(|(d, (name, pods, _))| (0..*pods).map(move |p| pod(d, p, name)));
    let profiles: Vec<_> = deployments
        .iter()
        .filter_map(|(name, _, profile)| {
            Some(ProfileEntry { deployment: name.parse().unwrap(), model: None, profile: profile.clone()? })
        })
        .collect();
    Pool::new(pods, &profiles)
}

/// A pod that serves any model.
pub(crate) fn pod(deployment: usize, number: u8, name: &str) -> PodSpec {
    let address = format!("10.0.{deployment}.{number}:8000").parse().unwrap();
    PodSpec { address, deployment: name.parse().unwrap(), models: Vec::new() }
}

/// A request of the k-th shape, without an objective of its own.
pub(crate) fn arrival(id: u32, k: usize, at: Instant) -> Arrival {
    Arrival {
        id: RequestId(id),
        at,
        model: Model { name: "m".to_owned(), base: None },
        policy: pull::SLO,
        shape: shape(k),
        ..Arrival::default()
    }
}

/// The same with an end-to-end objective of its own.
pub(crate) fn urgent(id: u32, k: usize, at: Instant, e2e: std::time::Duration) -> Arrival {
    Arrival { slo: Some(Slo { e2e: Some(e2e), ..Slo::default() }), ..arrival(id, k, at) }
}

/// Assesses an arrival by the pool's profiles.
pub(crate) fn assess(arrival: Arrival, pool: &Pool) -> Request {
    Request::assess(arrival, pool, &Assessment::default())
}

/// A share of a pod.
pub(crate) fn load(share: f64) -> Load {
    Load::from_micro((share * 1e6).round() as u32)
}
