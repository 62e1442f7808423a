//! Pods from Envoy's own admin interface: the endpoints of the very cluster that it routes to, which come by EDS.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use laboratory::gateway::{Options, find, path, until};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};

use crate::common::{DEPLOYMENT, Rig, Test, all_served, filter_with, pods};

fn filter() -> Value {
    let clusters = json!([{ "name": "pods", "deployment": DEPLOYMENT, "models": ["m"] }]);
    filter_with("envoy", json!({ "cluster": "admin", "clusters": clusters, "interval": "100ms" }))
}

/// Endpoint discovery from a file that Envoy watches.
struct Discovery {
    directory: tempfile::TempDir,
}

impl Discovery {
    fn new() -> std::io::Result<Self> {
        Ok(Self { directory: tempfile::tempdir()? })
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("endpoints.json")
    }

    /// These pods, each with its health.
    fn say(&self, pods: &[(&Pod, &str)]) -> Test {
        let endpoints: Vec<Value> = pods
            .iter()
            .map(|(pod, health)| {
                let (address, port) = (pod.address().ip().to_string(), pod.address().port());
                let address = json!({ "socket_address": { "address": address, "port_value": port } });
                json!({ "health_status": health, "endpoint": { "address": address } })
            })
            .collect();
        let assignment = json!({
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": "pods",
            "endpoints": [{ "lb_endpoints": endpoints }],
        });
        // In one step: Envoy watches for a file moved into place.
        let mut file = tempfile::NamedTempFile::new_in(self.directory.path())?;
        serde_json::to_writer(&mut file, &json!({ "resources": [assignment] }))?;
        file.persist(self.file())?;
        Ok(())
    }
}

/// The cluster `pods` with its endpoints from this file, and a cluster for the admin interface, whose port it must know.
fn with_discovery(options: Options, file: &Path, admin: SocketAddr) -> Options {
    let file = file.display().to_string();
    let options = options.change(move |yaml| {
        *find(yaml, "admin/address/socket_address/port_value") = admin.port().into();
        let cluster = find(yaml, path::PODS);
        cluster.as_mapping_mut().map(|cluster| cluster.remove("load_assignment"));
        *find(cluster, "type") = "EDS".into();
        *find(cluster, "eds_cluster_config/eds_config/path_config_source/path") = file.as_str().into();
    });
    options.cluster("admin", admin)
}

async fn start(pods: Vec<Pod>, discovery: &Discovery) -> anyhow::Result<Rig> {
    // Free when asked, and nobody else is given it so soon.
    let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let file = discovery.file();
    let rig = Rig::with(pods, filter(), |options| with_discovery(options, &file, admin)).await?;
    until("the pods are known", async || rig.pods_known().await).await;
    Ok(rig)
}

#[tokio::test]
async fn endpoints_that_are_discovered_take_what_waits() -> Test {
    let pods = pods(2, &Plan::Hold)?;
    let discovery = Discovery::new()?;
    discovery.say(&[(&pods[0], "HEALTHY")])?;
    let rig = start(pods, &discovery).await?;
    let mut pending = vec![rig.ask().start()];
    rig.pods[0].arrival(0).await;
    pending.push(rig.ask().start());
    rig.waiting(1).await;
    discovery.say(&[(&rig.pods[0], "HEALTHY"), (&rig.pods[1], "UNKNOWN")])?;
    rig.pods[1].arrival(0).await;
    for pod in &rig.pods {
        pod.answer(0, Answer::completion(10, 5));
    }
    all_served(pending).await?;
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn endpoints_that_are_unhealthy_or_gone_get_nothing_more() -> Test {
    let pods = pods(3, &Plan::Hold)?;
    let discovery = Discovery::new()?;
    let all: Vec<(&Pod, &str)> = pods.iter().map(|pod| (pod, "HEALTHY")).collect();
    discovery.say(&all)?;
    let rig = start(pods, &discovery).await?;
    let mut pending: Vec<_> = (0..3).map(|_| rig.ask().start()).collect();
    for pod in &rig.pods {
        pod.arrival(0).await;
    }
    discovery.say(&[(&rig.pods[0], "UNHEALTHY"), (&rig.pods[1], "HEALTHY")])?;
    until("two are out", async || rig.pod_count().await == Some(1.0)).await;
    pending.push(rig.ask().start());
    rig.waiting(1).await;
    for pod in &rig.pods {
        pod.answer(0, Answer::completion(10, 5));
    }
    rig.pods[1].arrival(1).await;
    rig.pods[1].answer(1, Answer::completion(10, 5));
    all_served(pending).await?;
    assert_eq!(rig.counts(), [1, 2, 1]);
    rig.idle().await;
    Ok(())
}
