//! Policies: who goes where. Each is one file behind the one small trait [`Policy`], with a
//! [`Descriptor`] that says all that the rest of the crate knows of it; the scheduler owns the
//! queue, time and events, a policy owns the choice and nothing else. A new one is such a file, its
//! module and its entry in the [registry].

pub mod attainment;
mod choice;
pub mod least_request;
pub mod lmetric;
mod name;
mod policy;
mod preferences;
pub mod pull;
pub mod push;
pub mod random;
mod registry;
#[cfg(test)]
mod tests;

pub use self::attainment::Lateness;
pub use self::name::{Descriptor, PolicyKind, PolicyName};
pub use self::policy::{Decision, Policy, Round};
pub use self::preferences::{Prefer, Preferences};
pub use self::registry::{UnknownPolicy, all};
