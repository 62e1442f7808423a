//! The filter's configuration in the simulation.

use anyhow::{Context as _, Result, bail};
use evaluation::workload::Class;
use serde_json::{Map, Value, json};
use slo_router::config::Config;
use slo_router::scheduling::pool::{Pool, ProfileEntry};
use slo_router::sources::profiles;

use crate::scenario::{Pod, Scenario};

/// A configuration and the profiles that it would fetch.
#[derive(Clone, Debug)]
pub struct Filter {
    json: String,
    pub(super) config: Config,
    pub(super) classes: Vec<Class>,
    profiles: Vec<ProfileEntry>,
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
        });
        merge(&mut json, &Value::Object(changes.clone()));
        let json = json.to_string();
        let config = Config::from_json(json.as_bytes()).context("the filter's configuration")?;
        let document = profiles::parse(profiles).context("the profiles")?;
        if let Some(complaint) = document.complaint() {
            bail!("the profiles: {complaint}");
        }
        Ok(Self { json, config, classes: scenario.classes.clone(), profiles: document.profiles })
    }

    /// The configuration as Envoy would be given it; what would be fetched is not in it.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Returns the cost per hour of each pod of the scenario, by the profiles; 0 without one.
    pub fn costs_per_hour(&self, scenario: &Scenario) -> Vec<f64> {
        let cost = |pod: &Pod| {
            let entry = self.profiles.iter().find(|entry| entry.deployment.to_string() == pod.deployment);
            entry.map_or(0.0, |entry| entry.profile.cost)
        };
        scenario.cluster.pods.iter().map(cost).collect()
    }

    pub(super) fn pool(&self) -> Pool {
        let inline = self.config.profiles.inline.iter();
        let profiles: Vec<ProfileEntry> = inline.chain(&self.profiles).cloned().collect();
        Pool::new(self.config.pods.fixed.iter().cloned(), &profiles)
    }
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
