//! Names of the policies in configurations, headers and metrics.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// The name of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum PolicyName {
    /// Pull: the pod with the least pending load that stays within capacity.
    Slo,
    /// The same policy as [`PolicyName::Slo`] under AIBrix's name for it, reported as it was asked for.
    SloLeastLoadPulling,
    /// Pull: the pod with the most pending load that stays within capacity.
    SloPackLoad,
    /// Push: the pod with the least pending load, at once.
    SloLeastLoad,
    /// The pod where the expected number of kept objectives grows most, or hold.
    #[default]
    SloAttainment,
    /// The pod with the fewest requests in flight.
    LeastRequest,
    /// Any pod.
    Random,
}

/// A name that no policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy(String);

// === impl PolicyName ===

impl PolicyName {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SloAttainment,
        Self::Slo,
        Self::SloLeastLoadPulling,
        Self::SloPackLoad,
        Self::SloLeastLoad,
        Self::LeastRequest,
        Self::Random,
    ];

    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slo => "slo",
            Self::SloLeastLoadPulling => "slo-least-load-pulling",
            Self::SloPackLoad => "slo-pack-load",
            Self::SloLeastLoad => "slo-least-load",
            Self::SloAttainment => "slo-attainment",
            Self::LeastRequest => "least-request",
            Self::Random => "random",
        }
    }

    /// Returns `true` if it goes by what runs on each pod, request by request.
    pub const fn looks_at_runs(self) -> bool {
        matches!(self, Self::SloAttainment)
    }

    /// Returns `true` if it goes by pending load or slack, which follow from a profile.
    pub const fn needs_profile(self) -> bool {
        !matches!(self, Self::SloAttainment | Self::LeastRequest | Self::Random)
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PolicyName {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name).ok_or_else(|| UnknownPolicy(name.to_owned()))
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
        let known = PolicyName::ALL.map(PolicyName::as_str).join(", ");
        write!(f, "unknown policy {:?}, expected one of {known}", self.0)
    }
}

impl Error for UnknownPolicy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_found_by_the_name_it_is_written_with() {
        for policy in PolicyName::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = "SLO".parse::<PolicyName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown policy \"SLO\", expected one of slo-attainment, slo, slo-least-load-pulling, slo-pack-load, \
             slo-least-load, least-request, random"
        );
    }
}
