//! Registry of the policies: all there are, found by name and built.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::name::PolicyName;
use super::policy::Policy;
use super::preferences::Preferences;
use super::{attainment, least_request, lmetric, pull, push, random};

type Build = fn(Preferences) -> Box<dyn Policy>;

/// All policies, in the order in which users are told of them; the first is the default.
const REGISTRY: [(PolicyName, Build); 8] = [
    (attainment::SLO_ATTAINMENT, attainment::build),
    (pull::SLO, pull::spread),
    (pull::SLO_LEAST_LOAD_PULLING, pull::spread),
    (pull::SLO_PACK_LOAD, pull::pack),
    (push::SLO_LEAST_LOAD, push::build),
    (least_request::LEAST_REQUEST, least_request::build),
    (lmetric::LMETRIC, lmetric::build),
    (random::RANDOM, random::build),
];

/// A name that no policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy(String);

/// Returns all policies, in the order in which users are told of them.
pub fn all() -> impl Iterator<Item = PolicyName> {
    REGISTRY.into_iter().map(|(name, _)| name)
}

// === impl PolicyName ===

impl PolicyName {
    /// Builds the policy.
    pub fn build(self, preferences: Preferences) -> Box<dyn Policy> {
        let [(_, first), ..] = REGISTRY;
        // Names are made beside this registry alone, so each is found.
        let build = REGISTRY.into_iter().find(|(name, _)| *name == self).map_or(first, |(_, build)| build);
        build(preferences)
    }
}

impl Default for PolicyName {
    /// The first of all.
    fn default() -> Self {
        let [(first, _), ..] = REGISTRY;
        first
    }
}

impl FromStr for PolicyName {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        all().find(|policy| policy.name == name).ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for PolicyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

// === impl UnknownPolicy ===

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = all().map(PolicyName::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "unknown policy {:?}, expected one of {known}", self.0)
    }
}

impl Error for UnknownPolicy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_found_by_the_name_it_is_written_with() {
        for policy in all() {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = "SLO".parse::<PolicyName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown policy \"SLO\", expected one of slo-attainment, slo, slo-least-load-pulling, slo-pack-load, \
             slo-least-load, least-request, lmetric, random"
        );
    }

    #[test]
    fn the_page_of_policies_says_of_each_what_it_says_of_itself() {
        let page = include_str!("../../../docs/policies.md");
        for policy in all() {
            let row = format!("| `{}` | {} | {} |", policy.name, policy.kind, policy.summary);
            assert!(page.contains(&row), "missing in docs/policies.md: {row}");
        }
    }
}
