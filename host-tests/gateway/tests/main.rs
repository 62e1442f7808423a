//! The filter in a real Envoy, over sockets.

mod attainment;
mod common;
mod configuration;
mod contract;
mod crash;
mod deployments;
mod exact;
mod faults;
mod harness;
mod holding;
mod istio_shape;
mod listeners;
mod openai_sdk;
mod peer_placements;
mod placement;
mod prefixes;
mod real_servers;
mod refusals;
mod replicas;
mod served;
mod sources;
