//! Names of the policies in configurations, headers and metrics, and what each policy says of
//! itself.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Description of a policy, in its own file: all that the rest of the crate knows of it, but for
/// how it is built.
pub struct Descriptor {
    /// Name in configurations, headers and metrics.
    pub name: &'static str,
    /// Rule by which it places, in some sentences for users.
    pub summary: &'static str,
    /// Kind of the rule.
    pub kind: PolicyKind,
    /// `true` if it goes by pending load or slack, which follow from a profile: what no profile
    /// judges goes by the fallback policy.
    pub needs_profile: bool,
    /// `true` if it goes by what runs on each pod, request by request.
    pub looks_at_runs: bool,
    /// `true` if it may place what no profile judges, and what is not scheduled.
    pub is_fallback: bool,
}

/// Kind of a policy's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Places where an expected gain is largest, or holds; judges each request by itself, by its
    /// objective.
    Gain,
    /// Holds until a pod has room, which it never fills beyond its capacity.
    Pull,
    /// Places at once.
    Push,
}

/// A policy, by its name.
#[derive(Clone, Copy)]
pub struct PolicyName(&'static Descriptor);

// === impl PolicyKind ===

impl fmt::Display for PolicyKind {
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
    pub(super) const fn of(descriptor: &'static Descriptor) -> Self {
        Self(descriptor)
    }

    /// Returns the name as it is written.
    pub const fn as_str(self) -> &'static str {
        self.0.name
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
