//! Properties: a small part of Envoy's attributes, each in the form that a guest sees there.

use super::exchange::nanoseconds;
use super::memory::{give, read};
use super::{Guest, Outcome};
use crate::abi::Status;
use crate::vm::{StreamState, VmState};

functions! {
    fn proxy_get_property(guest, path: u32, path_size: u32, data: u32, size: u32) {
        get(guest, (path, path_size), (data, size))
    }
    fn proxy_set_property(guest, path: u32, path_size: u32, data: u32, size: u32) {
        set(guest, (path, path_size), (data, size))
    }
}

fn get(guest: &mut Guest<'_>, path: (u32, u32), out: (u32, u32)) -> Outcome {
    let path = read(guest, path.0, path.1)?;
    let value = guest.data_mut().property(&path).ok_or(Status::NotFound)?;
    give(guest, &value, out.0, out.1)
}

fn set(guest: &mut Guest<'_>, path: (u32, u32), value: (u32, u32)) -> Outcome {
    let path = read(guest, path.0, path.1)?;
    let value = read(guest, value.0, value.1)?;
    let stream = guest.data_mut().acting_stream().ok_or(Status::NotFound)?;
    stream.properties.insert(path, value);
    Ok(())
}

// === impl VmState ===

impl VmState {
    fn property(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(path).into_owned();
        let parts: Vec<&str> = text.split('\0').collect();
        let wall_origin = self.process.borrow().wall_origin;
        let plugin = self.plugin_of(self.acting())?;
        let of_plugin = match parts.as_slice() {
            ["plugin_name"] => Some(&plugin.name),
            ["plugin_root_id"] => Some(&plugin.root_id),
            ["plugin_vm_id"] => Some(&plugin.vm_id),
            ["xds", "node", "id"] | ["node", "id"] => Some(&plugin.node_id),
            _ => None,
        };
        if let Some(value) = of_plugin {
            return Some(value.clone().into_bytes());
        }
        let stream = self.acting_stream()?;
        match parts.as_slice() {
            ["xds", "cluster_name"] => Some(plugin.cluster_name.clone().into_bytes()),
            ["xds", "route_name"] => Some(plugin.route_name.clone().into_bytes()),
            ["request", "time"] => Some(nanoseconds(wall_origin + stream.started_at).to_le_bytes().to_vec()),
            _ => stream.attribute(&parts).or_else(|| stream.properties.get(path).cloned()),
        }
    }
}

// === impl StreamState ===

impl StreamState {
    fn attribute(&self, parts: &[&str]) -> Option<Vec<u8>> {
        // Once the headers have gone on, they cannot be read this way either, until the log.
        let header = |name: &str| {
            let there = self.in_log || self.request.headers_visible;
            there.then(|| self.request.headers.get(name)).flatten().map(|value| value.as_bytes().to_vec())
        };
        match parts {
            ["request", "path"] => header(":path"),
            ["request", "method"] => header(":method"),
            ["request", "host"] => header(":authority"),
            ["request", "scheme"] => header(":scheme"),
            ["request", "id"] => header("x-request-id"),
            ["request", "headers", name] => header(name),
            ["response", "code"] => Some(i64::from(self.code?).to_le_bytes().to_vec()),
            ["response", "flags"] => Some(self.flags.to_le_bytes().to_vec()),
            ["response", "headers", name] if self.in_log || self.response.headers_visible => {
                Some(self.response.headers.get(name)?.as_bytes().to_vec())
            }
            ["connection", "id"] | ["connection_id"] => Some(self.connection_id.to_le_bytes().to_vec()),
            ["source", "address"] => Some(b"127.0.0.1:40000".to_vec()),
            // Known once the response shows that there was a connection.
            ["upstream", "address"] if self.response.begun && self.local_reply.is_none() => {
                let chosen = self.request.headers.get("x-gateway-destination-endpoint")?;
                Some(chosen.as_bytes().to_vec())
            }
            _ => None,
        }
    }
}
