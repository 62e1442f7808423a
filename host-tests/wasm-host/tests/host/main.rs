//! The host shows its guests what Envoy shows them. Each fact here was seen on a real Envoy.

mod bodies;
mod calls;
mod differential;
mod envoy;
mod nesting;
mod scenario;
mod shared;
mod streams;
mod support;
mod vms;
