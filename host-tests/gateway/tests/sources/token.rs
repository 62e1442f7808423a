//! The token of the API server stays in Envoy: the shipped cluster `kubernetes` adds it, over TLS, to what the filter asks.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use laboratory::gateway::{Options, find, until};
use laboratory::server::scripted::{Plan, Pod};
use serde_json::json;
use serde_norway::Value as Yaml;

use super::api::{Api, Cluster, object};
use crate::common::{Rig, Test, filter_with, pods};

const SHIPPED: &str = include_str!("../../../../envoy/kubernetes/base/envoy.yaml");
const SDS: &str = include_str!("../../../../envoy/kubernetes/base/token.yaml");
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A service account's files as the kubelet lays them: each is a link through `..data`, which is moved when the token changes.
pub struct Account {
    directory: tempfile::TempDir,
}

impl Account {
    pub fn new(token: &str) -> io::Result<Self> {
        let account = Self { directory: tempfile::tempdir()? };
        account.put(token)?;
        std::os::unix::fs::symlink("..data/token", account.path().join("token"))?;
        Ok(account)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn put(&self, token: &str) -> io::Result<()> {
        let folder = format!("..{token}");
        fs::create_dir(self.path().join(&folder))?;
        fs::write(self.path().join(&folder).join("token"), token)?;
        let link = self.path().join("..data_tmp");
        std::os::unix::fs::symlink(&folder, &link)?;
        fs::rename(link, self.path().join("..data"))
    }

    /// A certificate for the API server's name, which is its own authority.
    pub fn certify(&self, name: &str) -> Test {
        let subject = format!("subjectAltName=DNS:{name}");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=test", "-addext", &subject, "-keyout", "key.pem", "-out", "ca.crt"])
            .current_dir(self.path())
            .output()?;
        anyhow::ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }
}

/// Adds the shipped cluster, with the account's files in place of those of the cluster, and a listener that speaks TLS for
/// the API server.
fn with_api(options: Options, account: &Account, api: &Api) -> anyhow::Result<Options> {
    let folder = account.path().display().to_string();
    fs::write(account.path().join("token.yaml"), SDS.replace(ACCOUNT, &folder))?;
    let sds = account.path().join("token.yaml").display().to_string();
    let shipped = SHIPPED.replace(ACCOUNT, &folder).replace("/etc/envoy/token.yaml", &sds);
    let mut shipped: Yaml = serde_norway::from_str(&shipped)?;
    let mut cluster = find(&mut shipped, "static_resources/clusters/kubernetes").clone();
    let pipe = json!({ "pipe": { "path": format!("{folder}/api.sock") } });
    *find(&mut cluster, "type") = "STATIC".into();
    let address = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    *find(&mut cluster, address) = serde_norway::to_value(&pipe)?;
    let listener: Yaml = serde_norway::to_value(json!({
        "name": "api",
        "address": pipe,
        "filter_chains": [{
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "common_tls_context": { "tls_certificates": [{
                        "certificate_chain": { "filename": format!("{folder}/ca.crt") },
                        "private_key": { "filename": format!("{folder}/key.pem") },
                    }] },
                },
            },
            "filters": [{
                "name": "envoy.filters.network.tcp_proxy",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "api",
                    "cluster": "api",
                },
            }],
        }],
    }))?;
    let options = options.cluster("api", api.server.address());
    Ok(options.change(move |yaml| {
        let clusters = find(yaml, "static_resources/clusters").as_sequence_mut().expect("the shipped clusters");
        clusters.push(cluster.clone());
        let listeners = find(yaml, "static_resources/listeners").as_sequence_mut().expect("the shipped listeners");
        listeners.push(listener.clone());
    }))
}

async fn start(account: &Account, api: &Api, pods: Vec<Pod>) -> anyhow::Result<Rig> {
    let source =
        json!({ "cluster": "kubernetes", "namespace": "default", "selector": "app=llama", "interval": "100ms" });
    let filter = filter_with("kubernetes", source);
    let options = with_api(Options::new(filter.clone(), pods.iter().map(Pod::address)), account, api)?;
    Rig::of(pods, options).await
}

#[tokio::test]
async fn the_shipped_cluster_adds_the_token_and_follows_its_renewal() -> Test {
    let account = Account::new("first")?;
    account.certify("kubernetes.default.svc")?;
    let pods = pods(1, &Plan::Hold)?;
    let objects = vec![object("a-0", "a", &pods[0])];
    let api = Api::start(Cluster { pods: objects, token: Some("Bearer first".to_owned()), ..Cluster::default() })?;
    let rig = start(&account, &api, pods).await?;
    until("the pods are known", async || rig.pods_known().await).await;

    api.change(|cluster| cluster.token = Some("Bearer second".to_owned()));
    until("the old token is refused", async || rig.source_errors("forbidden").await >= 1.0).await;
    account.put("second")?;
    until("the new token is sent", async || {
        api.server.arrivals().iter().any(|arrival| arrival.header("authorization") == Some("Bearer second"))
    })
    .await;
    until("all is well again", async || rig.envoy.log().contains("pods: all is well again")).await;
    Ok(())
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_told_the_token() -> Test {
    let account = Account::new("first")?;
    account.certify("impostor.default.svc")?;
    let api = Api::start(Cluster::default())?;
    let rig = start(&account, &api, pods(1, &Plan::Hold)?).await?;
    until("the fetch fails", async || rig.source_errors("no-answer").await >= 2.0).await;
    assert_eq!(api.server.arrivals().len(), 0);
    Ok(())
}
