//! Sources of pods and profiles: servers over real sockets.

mod api;
mod envoy;
mod http;
mod kubernetes;
mod redis;
mod token;

pub use self::token::Account;

use std::net::SocketAddr;

use serde_norway::Value as Yaml;

/// Endpoints of a cluster.
pub fn endpoints(addresses: &[SocketAddr]) -> Yaml {
    let endpoint = |address: &SocketAddr| {
        serde_json::json!({ "endpoint": { "address": { "socket_address": {
            "address": address.ip().to_string(), "port_value": address.port(),
        } } } })
    };
    let endpoints: Vec<_> = addresses.iter().map(endpoint).collect();
    serde_norway::to_value(serde_json::json!([{ "lb_endpoints": endpoints }])).expect("JSON is YAML")
}
