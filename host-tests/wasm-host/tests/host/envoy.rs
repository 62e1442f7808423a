//! A real Envoy that runs the probe: its configuration, its process, its log.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_host::FailurePolicy;

use crate::support::probe_path;

/// Settings of the proxy that a scenario needs.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub configuration: &'static str,
    pub allow_on_headers_stop_iteration: bool,
    pub idle_timeout: Duration,
    pub policy: FailurePolicy,
    pub body_limit: usize,
}

/// An Envoy with one worker. Its process ends with it.
pub struct Envoy {
    child: Child,
    directory: TempDir,
    setup: Setup,
    /// Address that clients connect to.
    pub address: SocketAddr,
}

/// Envoy's binary: `ENVOY`, or the one that `host-tests/install-envoy.sh` installs.
fn binary() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/envoy");
    let path = std::env::var_os("ENVOY").map_or(installed, PathBuf::from);
    assert!(path.is_file(), "no Envoy at {}: run host-tests/install-envoy.sh, or set ENVOY", path.display());
    path
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            configuration: "",
            allow_on_headers_stop_iteration: true,
            idle_timeout: Duration::from_secs(300),
            policy: FailurePolicy::Reload,
            body_limit: 1 << 20,
        }
    }
}

// === impl Envoy ===

impl Envoy {
    /// Starts Envoy; clusters are these, at their addresses, and `none` without hosts.
    pub fn start(setup: Setup, clusters: [(&str, SocketAddr); 4]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // A port that was free a moment ago; nothing else on this machine asks for one of its number meanwhile.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let bootstrap = bootstrap(directory.path(), clusters);
        fs::write(directory.path().join("envoy.json"), bootstrap.to_string()).unwrap();
        write_listener(directory.path(), &listener(setup, address));
        let log = File::create(directory.path().join("log")).unwrap();
        let child = Command::new(binary())
            .args(["--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "2", "--log-format", "%t %v", "-c"])
            .arg(directory.path().join("envoy.json"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let envoy = Self { child, directory, setup, address };
        // The worker's VM is ready once it was configured: after the canary's and the main thread's.
        envoy.until("configured", || envoy.log().matches("configure").count() >= 3);
        envoy.until("listening", || std::net::TcpStream::connect(address).is_ok());
        envoy
    }

    /// Gives the listener another configuration of the filter.
    pub fn update(&mut self, configuration: &'static str) {
        let before = self.log().matches("configure").count();
        self.setup.configuration = configuration;
        write_listener(self.directory.path(), &listener(self.setup, self.address));
        self.until("updated", || self.log().matches("configure").count() >= before + 3);
    }

    /// Returns what the probe saw, on the main thread and on the worker.
    pub fn seen(&self) -> [Vec<String>; 2] {
        let log = self.log();
        let main = log.split_whitespace().next().unwrap_or_default().to_owned();
        let lines = |on_main: bool| {
            let of_thread = log.lines().filter(|line| (line.split_whitespace().next() == Some(&main)) == on_main);
            of_thread.filter_map(|line| Some(line.split_once(": ev ")?.1.to_owned())).collect()
        };
        [lines(true), lines(false)]
    }

    /// Waits until the log has not grown for a time.
    pub fn settle(&self) {
        let mut length = 0;
        loop {
            sleep(Duration::from_millis(120));
            let now = self.log().len();
            if now == length {
                return;
            }
            length = now;
        }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("log")).unwrap()).into_owned()
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(30), "not {what}:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Envoy notices a file that is moved into place.
fn write_listener(directory: &Path, listener: &Value) {
    let mut file = tempfile::NamedTempFile::new_in(directory).unwrap();
    write!(file, "{}", json!({ "resources": [listener] })).unwrap();
    file.persist(directory.join("listeners.json")).unwrap();
}

fn bootstrap(directory: &Path, clusters: [(&str, SocketAddr); 4]) -> Value {
    let empty = json!({ "name": "none", "type": "STATIC", "load_assignment": { "cluster_name": "none" } });
    let with_host = clusters.iter().map(|(name, address)| {
        json!({ "name": name, "type": "STATIC", "load_assignment": { "cluster_name": name, "endpoints": [
            { "lb_endpoints": [{ "endpoint": { "address": socket(*address) } }] }
        ] } })
    });
    json!({
        "node": { "id": "node", "cluster": "node" },
        "dynamic_resources": { "lds_config": { "path_config_source": { "path": directory.join("listeners.json") } } },
        "static_resources": { "clusters": with_host.chain([empty]).collect::<Vec<_>>() },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn listener(setup: Setup, address: SocketAddr) -> Value {
    let probe = json!({
        "name": "probe",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "probe",
                "root_id": "probe",
                "failure_policy": match setup.policy {
                    FailurePolicy::Closed => "FAIL_CLOSED",
                    FailurePolicy::Reload => "FAIL_RELOAD",
                    FailurePolicy::Open => "FAIL_OPEN",
                },
                "allow_on_headers_stop_iteration": setup.allow_on_headers_stop_iteration,
                "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": setup.configuration },
                "vm_config": {
                    "vm_id": "probe",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": probe_path() } },
                },
            },
        },
    });
    let router = json!({
        "name": "router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let route = |prefix: &str, cluster: &str| json!({ "name": "route", "match": { "prefix": prefix }, "route": { "cluster": cluster, "timeout": "0s" } });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "stream_idle_timeout": format!("{}s", setup.idle_timeout.as_secs()),
        "http_filters": [probe, router],
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [route("/none", "none"), route("/breaking", "breaking"), route("/", "answering")],
        }] },
    });
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "gateway",
        "address": socket(address),
        "per_connection_buffer_limit_bytes": setup.body_limit,
        "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
    })
}
