//! The filter's configuration in the simulation.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use slo_router::config::Config;
use slo_router::scheduling::policies::PolicyName;
use slo_router::scheduling::prefix::PrefixMode;
use slo_router::scheduling::profile::without_nan;
use slo_router::sources::profiles;

use crate::simulation::scenario::{Pod, Scenario};
use crate::workload::Class;

/// A configuration, with the profiles in it: what is fetched would come later than the first requests.
#[derive(Clone, Debug)]
pub struct Filter {
    json: Value,
    config: Config,
}

// === impl Filter ===

impl Filter {
    /// In front of the scenario's pods. `changes` go over the defaults as a merge patch (RFC 7396); `profiles` is a profile
    /// document.
    ///
    /// # Errors
    /// Where the filter would refuse the configuration or an entry of the document.
    pub fn new(scenario: &Scenario, profiles: &[u8], changes: &Map<String, Value>) -> Result<Self> {
        let pod = |pod: &Pod| json!({"address": pod.address(), "deployment": pod.deployment});
        let class = |class: &Class| json!({"name": class.name(), "header": {"name": "x-class", "value": class.name()}});
        let mut json = json!({
            "pool": "simulation",
            "classes": scenario.classes.iter().map(class).collect::<Vec<_>>(),
            "pods": {"static": scenario.cluster.pods.iter().map(pod).collect::<Vec<_>>()},
            "profiles": {"inline": inline(profiles).context("the profiles")?},
        });
        merge(&mut json, &Value::Object(changes.clone()));
        let config = Config::from_json(json.to_string().as_bytes()).context("the filter's configuration")?;
        Ok(Self { json, config })
    }

    /// Returns the configuration as Envoy would be given it, with this policy.
    pub fn json(&self, policy: PolicyName) -> String {
        let mut json = self.json.clone();
        json["policy"] = json!(policy.as_str());
        json.to_string()
    }

    /// Returns `true` if the filter with this policy routes by what it expects in prefix caches.
    pub(super) fn routes_by_prefixes(&self, policy: PolicyName) -> bool {
        let config = Config::from_json(self.json(policy).as_bytes());
        config.is_ok_and(|config| config.dispatch_settings().prefix == PrefixMode::Route)
    }

    /// Returns the addresses of the pods, in order.
    pub(super) fn pods(&self) -> impl Iterator<Item = SocketAddr> {
        self.config.pods.fixed.iter().map(|pod| pod.address)
    }

    /// Returns the cost per hour of each pod of the scenario, by the profiles; 0 without one.
    pub fn costs_per_hour(&self, scenario: &Scenario) -> Vec<f64> {
        let profiles = &self.config.profiles.inline;
        let cost = |pod: &Pod| {
            let entry = profiles.iter().find(|entry| entry.deployment.to_string() == pod.deployment);
            entry.map_or(0.0, |entry| entry.profile.cost)
        };
        scenario.cluster.pods.iter().map(cost).collect()
    }
}

/// Returns the entries of a profile document as a configuration has them.
fn inline(document: &[u8]) -> Result<Value> {
    if let Some(complaint) = profiles::parse(document)?.complaint() {
        bail!(complaint);
    }
    let mut json: Value = serde_json::from_slice(&without_nan(document))?;
    Ok(match json.get_mut("profiles") {
        Some(profiles) => profiles.take(),
        // One profile as AIBrix writes it.
        None => json!([{"deployment": json["gpu"], "profile": json}]),
    })
}

fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(target), Value::Object(patch)) = (&mut *target, patch) else {
        *target = patch.clone();
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}
