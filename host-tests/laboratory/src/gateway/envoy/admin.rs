//! Envoy's admin interface.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use hyper::StatusCode;
use serde_json::Value;

use super::Error;
use super::process::ADMIN_FILE;
use crate::client::Client;

#[derive(Debug)]
pub(super) struct Admin {
    client: Client,
}

// === impl Admin ===

impl Admin {
    /// The admin interface and the gateway's address, once Envoy is ready.
    pub(super) async fn find(directory: &Path) -> Option<(Self, SocketAddr)> {
        let address = fs::read_to_string(directory.join(ADMIN_FILE)).ok()?.trim().parse().ok()?;
        let admin = Self { client: Client::http1(address) };
        admin.get("/ready").await.ok()?;
        let gateway = admin.listener("gateway").await?;
        Some((admin, gateway))
    }

    pub(super) async fn get(&self, path: &str) -> Result<String, Error> {
        self.send(path, self.client.get(path)).await
    }

    pub(super) async fn post(&self, path: &str) -> Result<String, Error> {
        self.send(path, self.client.post(path)).await
    }

    /// Returns the address of the listener of this name.
    pub(super) async fn listener(&self, name: &str) -> Option<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.get("/listeners?format=json").await.ok()?).ok()?;
        let named = |listener: &&Value| listener.get("name").and_then(Value::as_str) == Some(name);
        let listener = listeners.get("listener_statuses")?.as_array()?.iter().find(named)?;
        let address = listener.pointer("/local_address/socket_address")?;
        let ip = address.get("address")?.as_str()?.parse().ok()?;
        let port = u16::try_from(address.get("port_value")?.as_u64()?).ok()?;
        Some(SocketAddr::new(ip, port))
    }

    async fn send(&self, path: &str, request: crate::client::Request) -> Result<String, Error> {
        let failed = |message: String| Error::Admin { path: path.to_owned(), message };
        let reply = request.send().await.map_err(|error| failed(error.to_string()))?;
        if reply.status != StatusCode::OK {
            return Err(failed(format!("{}: {}", reply.status, reply.text())));
        }
        Ok(reply.text())
    }
}
