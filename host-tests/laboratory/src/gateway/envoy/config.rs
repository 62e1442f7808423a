//! The shipped configuration, patched.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_norway::{Mapping, Value};

use super::binary::{filter, root};
use super::{Error, Options};

/// Places in the configuration, for [`find`].
pub mod path {
    /// The gateway's listener.
    pub const LISTENER: &str = "static_resources/listeners/gateway";
    /// Its HTTP connection manager.
    pub const CONNECTION_MANAGER: &str = "static_resources/listeners/gateway/filter_chains/0/filters/0/typed_config";
    /// Its HTTP filters.
    pub const HTTP_FILTERS: &str =
        "static_resources/listeners/gateway/filter_chains/0/filters/0/typed_config/http_filters";
    /// The filter's plugin configuration.
    pub const PLUGIN: &str = "static_resources/listeners/gateway/filter_chains/0/filters/0/typed_config/http_filters/\
                              slo-router/typed_config/config";
    /// The route to the pods.
    pub const ROUTE: &str = "static_resources/listeners/gateway/filter_chains/0/filters/0/typed_config/route_config/\
                             virtual_hosts/0/routes/0/route";
    /// The pods' cluster.
    pub const PODS: &str = "static_resources/clusters/pods";
}

/// The dynamic listener's file.
pub(super) const LISTENER_FILE: &str = "listeners.json";

/// The place in `value` that `path` names: keys of mappings, and in sequences an element's `name` or its number, separated
/// by `/`. Mappings and keys that are missing are added.
///
/// # Panics
/// Where there is no such place.
pub fn find<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('/').fold(value, |at, step| {
        if at.is_null() {
            *at = Value::Mapping(Mapping::new());
        }
        let next = match at {
            Value::Mapping(mapping) => Some(mapping.entry(step.into()).or_insert(Value::Null)),
            Value::Sequence(items) => {
                let named = |item: &Value| item.get("name").and_then(Value::as_str) == Some(step);
                let index = items.iter().position(named).or_else(|| step.parse().ok());
                index.and_then(|index| items.get_mut(index))
            }
            _ => None,
        };
        next.unwrap_or_else(|| panic!("no `{step}` of `{path}` in the configuration"))
    })
}

/// Writes the configuration into `directory` and returns its file.
pub(super) fn write(options: &Options, directory: &Path) -> Result<PathBuf, Error> {
    let mut config = render(options, directory)?;
    if options.dynamic {
        let listeners = find(&mut config, "static_resources/listeners").as_sequence_mut();
        let gateway = listeners.map(|listeners| listeners.remove(0)).unwrap_or_default();
        write_listener(&gateway, directory)?;
        let file = directory.join(LISTENER_FILE).display().to_string();
        *find(&mut config, "dynamic_resources/lds_config/path_config_source/path") = file.into();
    }
    let file = directory.join("envoy.json");
    fs::write(&file, serde_json::to_vec_pretty(&config).map_err(std::io::Error::from)?)?;
    Ok(file)
}

/// Writes the gateway's listener alone, in one step: Envoy watches for a file moved into place.
pub(super) fn update(options: &Options, directory: &Path) -> Result<(), Error> {
    let mut config = render(options, directory)?;
    write_listener(find(&mut config, path::LISTENER), directory)
}

fn write_listener(listener: &Value, directory: &Path) -> Result<(), Error> {
    let mut resource = listener.clone();
    *find(&mut resource, "@type") = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    let response = serde_json::json!({ "resources": [resource] });
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&mut file, &response).map_err(std::io::Error::from)?;
    file.persist(directory.join(LISTENER_FILE)).map_err(|error| error.error)?;
    Ok(())
}

fn render(options: &Options, directory: &Path) -> Result<Value, Error> {
    let mut config: Value = serde_norway::from_str(&fs::read_to_string(root().join("envoy/standalone.yaml"))?)?;
    // Ports that are free: Envoy binds them and tells.
    *find(&mut config, "admin/address/socket_address/port_value") = 0.into();
    *find(&mut config, &format!("{}/address/socket_address/port_value", path::LISTENER)) = 0.into();

    let plugin = find(&mut config, path::PLUGIN);
    *find(plugin, "configuration/value") = options.filter.to_string().into();
    *find(plugin, "vm_config/vm_id") = options.vm_id.as_str().into();

    // The cluster must know the listener before it is bound: a socket in the file system needs no port.
    let socket = directory.join("profiles.sock").display().to_string();
    let pipe = mapping([("pipe", mapping([("path", socket.into())]))]);
    *find(&mut config, "static_resources/listeners/profiles/address") = pipe.clone();
    let profiles = options.profiles.map_or(pipe, address);
    endpoints(&mut config, "profiles", [profiles]);
    endpoints(&mut config, "pods", options.pods.iter().copied().map(address));

    options.apply(&mut config);
    // Only now, as a change may have taken the filter out, or named another build of it.
    let filters = find(&mut config, path::HTTP_FILTERS).as_sequence_mut();
    for plugin in filters.into_iter().flatten().filter(|filter| filter["name"] == "slo-router") {
        let file = find(plugin, "typed_config/config/vm_config/code/local/filename");
        if file.as_str().is_some_and(|file| Path::new(file).is_relative()) {
            *file = filter()?.display().to_string().into();
        }
    }
    Ok(config)
}

/// Adds a cluster with one endpoint.
pub(super) fn add_cluster(config: &mut Value, name: &str, endpoint: SocketAddr) {
    let cluster = mapping([("name", name.into()), ("connect_timeout", "1s".into())]);
    let clusters = find(config, "static_resources/clusters").as_sequence_mut();
    clusters.unwrap_or_else(|| panic!("no clusters in the configuration")).push(cluster);
    *find(config, &format!("static_resources/clusters/{name}/load_assignment/cluster_name")) = name.into();
    // An empty list to begin with, for the path to lead through.
    let group = mapping([("lb_endpoints", Value::Sequence(Vec::new()))]);
    *find(config, &format!("static_resources/clusters/{name}/load_assignment/endpoints")) =
        Value::Sequence(vec![group]);
    endpoints(config, name, [address(endpoint)]);
}

fn endpoints(config: &mut Value, cluster: &str, addresses: impl IntoIterator<Item = Value>) {
    let endpoint = |address| mapping([("endpoint", mapping([("address", address)]))]);
    *find(config, &format!("static_resources/clusters/{cluster}/load_assignment/endpoints/0/lb_endpoints")) =
        addresses.into_iter().map(endpoint).collect();
}

fn address(address: SocketAddr) -> Value {
    let ip = address.ip().to_string().into();
    mapping([("socket_address", mapping([("address", ip), ("port_value", address.port().into())]))])
}

fn mapping<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Mapping>())
}
