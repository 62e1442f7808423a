//! The filter in a real Envoy, over sockets.

mod common;
mod harness;
