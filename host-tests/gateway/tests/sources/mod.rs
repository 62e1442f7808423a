//! Where pods and profiles come from: servers over real sockets.

mod api;
mod envoy;
mod http;
mod kubernetes;
mod redis;
mod token;

pub use self::token::Account;

use std::net::SocketAddr;

use gateway::{Options, find};
use serde_norway::{Mapping, Value as Yaml};

/// Adds a cluster with this one endpoint to Envoy's.
fn with_cluster(options: Options, name: &'static str, address: SocketAddr) -> Options {
    options.change(move |yaml| {
        let clusters = find(yaml, "static_resources/clusters").as_sequence_mut().expect("the shipped clusters");
        let mut cluster = Yaml::Mapping(Mapping::new());
        *find(&mut cluster, "name") = name.into();
        *find(&mut cluster, "connect_timeout") = "1s".into();
        clusters.push(cluster);
        let path = format!("static_resources/clusters/{name}");
        *find(yaml, &format!("{path}/load_assignment/cluster_name")) = name.into();
        *find(yaml, &format!("{path}/load_assignment/endpoints")) = endpoints(&[address]);
    })
}

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
