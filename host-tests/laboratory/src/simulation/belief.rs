//! Profiles that a gateway is given of its pods: the measured ones, none, or wrong ones.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::simulation::scenario::Scenario;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Belief {
    /// The scenario's profiles.
    #[default]
    Measured,
    /// No profile at all.
    Nothing,
    /// Pods are so many times as fast as they are.
    Faster(f64),
    /// Each deployment has the profile of another one.
    Swapped,
    /// A document of profiles.
    File(PathBuf),
}

/// A profile's matrices that grow with speed, and those that shrink.
const RATES: [&str; 1] = ["tputs"];
const TIMES: [&str; 3] = ["e2e", "ttft", "tpot"];

// === impl Belief ===

impl Belief {
    /// The document of profiles that a gateway of this scenario is given.
    ///
    /// # Errors
    /// Where a file cannot be read, or no other profile is there to be taken.
    pub fn document(&self, scenario: &Scenario) -> Result<Vec<u8>> {
        match self {
            Self::Measured => Ok(scenario.profiles.to_vec()),
            Self::Nothing => Ok(json!({"profiles": []}).to_string().into_bytes()),
            Self::Faster(factor) => scaled(scenario.profiles, *factor),
            Self::Swapped => swapped(scenario),
            Self::File(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display())),
        }
    }
}

fn entries(document: &[u8]) -> Result<Vec<Value>> {
    let document: Value = serde_json::from_slice(document).context("a scenario's profiles")?;
    Ok(document["profiles"].as_array().cloned().unwrap_or_default())
}

fn text(entries: Vec<Value>) -> Vec<u8> {
    json!({"profiles": entries}).to_string().into_bytes()
}

fn scaled(document: &[u8], factor: f64) -> Result<Vec<u8>> {
    let mut entries = entries(document)?;
    for profile in entries.iter_mut().map(|entry| &mut entry["profile"]) {
        RATES.iter().for_each(|matrix| scale(&mut profile[*matrix], factor));
        TIMES.iter().for_each(|matrix| scale(&mut profile[*matrix], factor.recip()));
    }
    Ok(text(entries))
}

/// Multiplies all numbers of a matrix.
fn scale(value: &mut Value, factor: f64) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| scale(value, factor)),
        Value::Number(number) => *value = json!(number.as_f64().map(|number| number * factor)),
        _ => {}
    }
}

/// Each deployment of the cluster gets the profile of the next one; where there is but one, that of the seed's A10.
fn swapped(scenario: &Scenario) -> Result<Vec<u8>> {
    let of_cluster = |entry: &Value| scenario.cluster.pods.iter().any(|pod| entry["deployment"] == *pod.deployment);
    let own: Vec<_> = entries(scenario.profiles)?.into_iter().filter(of_cluster).collect();
    let mut others = own.clone();
    if own.len() > 1 {
        others.rotate_left(1);
    } else {
        let seed = Scenario::named("seed-a").map_err(anyhow::Error::msg)?;
        others = entries(seed.profiles)?;
    }
    let swap = |(own, other): (&Value, &Value)| json!({"deployment": own["deployment"], "profile": other["profile"]});
    Ok(text(own.iter().zip(&others).map(swap).collect()))
}

impl fmt::Display for Belief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured => f.write_str("measured"),
            Self::Nothing => f.write_str("none"),
            Self::Faster(factor) => write!(f, "x{factor}"),
            Self::Swapped => f.write_str("swapped"),
            Self::File(file) => file.display().fmt(f),
        }
    }
}

impl FromStr for Belief {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let factor = |text: &str| text.parse::<f64>().ok().filter(|factor| (0.01..=100.0).contains(factor));
        Ok(match text {
            "measured" => Self::Measured,
            "none" => Self::Nothing,
            "swapped" => Self::Swapped,
            file => text.strip_prefix('x').and_then(factor).map_or_else(|| Self::File(file.into()), Self::Faster),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(belief: Belief, scenario: &str) -> Vec<Value> {
        entries(&belief.document(&Scenario::named(scenario).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_that_is_believed_twice_as_fast_has_twice_the_rates_and_half_the_times() {
        let (measured, faster) = (told(Belief::Measured, "seed-a"), told(Belief::Faster(2.0), "seed-a"));
        let cell = |entries: &[Value], matrix: &str| entries[0]["profile"][matrix][2][3].as_f64().unwrap();
        for (matrix, ratio) in [("tputs", 2.0), ("e2e", 0.5), ("ttft", 0.5), ("tpot", 0.5)] {
            assert!((cell(&faster, matrix) / cell(&measured, matrix) - ratio).abs() < 1e-9, "{matrix}");
        }
        assert_eq!(faster[0]["profile"]["indexes"], measured[0]["profile"]["indexes"]);
    }

    #[test]
    fn swapped_profiles_are_those_of_another_deployment() {
        let (measured, swapped) = (told(Belief::Measured, "seed-a"), told(Belief::Swapped, "seed-a"));
        assert_eq!(swapped.len(), 2);
        for (own, other) in [(0, 1), (1, 0)] {
            assert_eq!(swapped[own]["deployment"], measured[own]["deployment"]);
            assert_eq!(swapped[own]["profile"], measured[other]["profile"]);
        }
        assert_eq!(told(Belief::Swapped, "steep-two")[0]["profile"], measured[0]["profile"]);
    }

    #[test]
    fn beliefs_are_read_as_they_are_written() {
        for text in ["measured", "none", "x0.5", "x2", "swapped", "some/file.json"] {
            assert_eq!(text.parse::<Belief>().unwrap().to_string(), text);
        }
        assert_eq!("x0".parse(), Ok(Belief::File("x0".into())));
        assert!(told(Belief::Nothing, "seed-a").is_empty());
    }
}
