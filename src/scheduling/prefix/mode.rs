//! Use of what is known of prefix caches.

use serde::Deserialize;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrefixMode {
    /// Prompts are not hashed.
    Off,
    /// It is learned and counted, and decides nothing.
    Learn,
    /// Requests are placed by it.
    #[default]
    Route,
}
