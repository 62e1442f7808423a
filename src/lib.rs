//! slo-router: a proxy-wasm filter that routes LLM requests so that they meet their latency
//! objectives (SLOs).
//!
//! A request goes one straight way: *classify → place (now or later) → forward → observe →
//! release*.
//!
//! - [`scheduling`]: the pure core. No host calls, no clock, no randomness of its own.
//! - [`protocol`]: what clients and model servers say on the wire, read once into types that cannot
//!   hold nonsense.
//! - [`config`]: the filter's JSON configuration.
//! - [`sources`]: where profiles and pods come from.
//! - [`shared`]: what Envoy's VMs share.
//! - [`session`]: the way of requests, callouts and ticks through the filter, generic over its
//!   host.
//! - [`reference`](mod@reference): pages made of the tables of what users rely on.
//! - `proxy`: the host inside a proxy, by the proxy-wasm ABI (built for wasm32-wasip1 only).

// `pub` says that something is for users of the library.
#![warn(unreachable_pub)]
// A trap kills a worker's VM and every request it holds, so what could trap is not allowed outside
// tests.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::integer_division_remainder_used,
        clippy::string_slice
    )
)]

pub mod config;
pub mod dispatcher;
pub mod json;
pub mod learning;
pub mod protocol;
#[cfg(target_os = "wasi")]
mod proxy;
pub mod reference;
pub mod scheduling;
pub mod session;
pub mod shared;
pub mod sources;
