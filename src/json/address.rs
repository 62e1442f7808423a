//! Addresses of pods.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

use super::error::JsonError;

const EXPECTED: &str = "the IP address of one pod and a port, such as 10.0.0.7:8000 or [2001:db8::7]:8000";

/// The address of one pod, written as Envoy writes it. For `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// A text that is no address, or reaches no single pod.
pub fn unicast<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().ok().filter(is_unicast).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &EXPECTED))
}

/// Checks an address that was not written as one; `path` is where it would stand.
///
/// # Errors
///
/// One that reaches no single pod: as if it was read.
pub fn check(path: impl fmt::Display, address: SocketAddr) -> Result<(), JsonError> {
    if is_unicast(&address) {
        return Ok(());
    }
    Err(JsonError::invalid(path, format_args!("string \"{address}\""), EXPECTED))
}

fn is_unicast(address: &SocketAddr) -> bool {
    let one = match address {
        SocketAddr::V4(v4) => !v4.ip().is_broadcast(),
        // A scope names an interface of this host, and Envoy's override header cannot carry it.
        SocketAddr::V6(v6) => v6.scope_id() == 0,
    };
    one && address.port() > 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}
