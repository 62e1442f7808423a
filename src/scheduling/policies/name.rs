//! Names of the policies in configurations, headers and metrics, and what each policy says of itself.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use serde::Deserialize;

use super::{ALL, Policy, Preferences};

/// Description of a policy, in its own file: all that the rest of the crate knows of it.
pub struct Descriptor {
    /// Name in configurations, headers and metrics.
    pub name: &'static str,
    /// Rule by which it places, in some sentences for users.
    pub summary: &'static str,
    /// Kind of the rule.
    pub kind: Kind,
    /// `true` if it goes by pending load or slack, which follow from a profile: what no profile judges goes by the
    /// fallback policy.
    pub needs_profile: bool,
    /// `true` if it goes by what runs on each pod, request by request.
    pub looks_at_runs: bool,
    /// `true` if it may place what no profile judges, and what is not scheduled.
    pub is_fallback: bool,
    /// Builds it.
    pub build: fn(Preferences) -> Box<dyn Policy>,
}

/// Kind of a policy's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Places where an expected gain is largest, or holds; judges each request by itself, by its objective.
    Gain,
    /// Holds until a pod has room, which it never fills beyond its capacity.
    Pull,
    /// Places at once.
    Push,
}

/// A policy, by its name.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct PolicyName(&'static Descriptor);

/// A name that no policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy(String);

// === impl Kind ===

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gain => "gain",
            Self::Pull => "pull",
            Self::Push => "push",
        })
    }
}

// === impl PolicyName ===

impl PolicyName {
    /// Returns the policy that a descriptor describes.
    pub const fn of(descriptor: &'static Descriptor) -> Self {
        Self(descriptor)
    }

    /// Returns the name as it is written.
    pub const fn as_str(self) -> &'static str {
        self.0.name
    }
}

impl Default for PolicyName {
    /// The first of all.
    fn default() -> Self {
        let [first, ..] = ALL;
        first
    }
}

impl Deref for PolicyName {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        self.0
    }
}

impl PartialEq for PolicyName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PolicyName {}

impl PartialOrd for PolicyName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PolicyName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for PolicyName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for PolicyName {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        ALL.into_iter().find(|policy| policy.name == name).ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}

impl TryFrom<String> for PolicyName {
    type Error = UnknownPolicy;

    fn try_from(name: String) -> Result<Self, UnknownPolicy> {
        name.parse()
    }
}

// === impl UnknownPolicy ===

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ALL.map(PolicyName::as_str).join(", ");
        write!(f, "unknown policy {:?}, expected one of {known}", self.0)
    }
}

impl Error for UnknownPolicy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_found_by_the_name_it_is_written_with() {
        for policy in ALL {
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
    fn the_readme_says_of_each_policy_what_it_says_of_itself() {
        let readme = include_str!("../../../README.md");
        for policy in ALL {
            let row = format!("| `{}` | {} | {} |", policy.name, policy.kind, policy.summary);
            assert!(readme.contains(&row), "missing in README.md: {row}");
        }
    }
}
