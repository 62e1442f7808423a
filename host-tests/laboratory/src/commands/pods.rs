//! Simulated pods as a process: prints one JSON line per listener, then serves until it is told to stop.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use clap::Args;
use laboratory::engine::{EngineSpec, Gpu, Model};
use laboratory::server::simulated::{self, PodOptions};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

/// OpenAI-compatible model servers on loopback, simulated as continuous batching on a real GPU's figures.
#[derive(Args)]
pub(crate) struct Flags {
    /// A pod: NAME=GPU,MODEL[,PORT], such as l20-0=l20,7b-fp16-mha,8001. Repeat it for more.
    #[arg(long = "pod", required = true, value_name = "POD")]
    pods: Vec<Pod>,
    /// Stop when standard input closes, so that the pods never outlive who started them.
    #[arg(long)]
    exit_with_stdin: bool,
}

/// A pod as the command line spells it.
#[derive(Clone)]
struct Pod {
    name: String,
    spec: EngineSpec,
    port: u16,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    let options = flags.pods.iter().map(|pod| PodOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, pod.port)),
        ..PodOptions::new(pod.spec)
    });
    let pods = simulated::start(options.collect()).context("cannot listen")?;
    for (pod, address) in flags.pods.iter().zip(pods.addresses()) {
        println!("{}", serde_json::json!({"name": pod.name, "address": address}));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(stop(flags.exit_with_stdin));
    // A read of standard input cannot be interrupted; waiting for it would keep the process.
    runtime.shutdown_background();
    stopped
}

/// Returns on SIGTERM, on Ctrl-C and, if asked for, when standard input closes.
async fn stop(with_stdin: bool) -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let stdin_closed = async {
        let mut stdin = tokio::io::stdin();
        let mut scrap = [0; 64];
        while stdin.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        () = stdin_closed, if with_stdin => Ok(()),
    }
}

// === impl Pod ===

impl std::str::FromStr for Pod {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not NAME=GPU,MODEL[,PORT]");
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let mut fields = rest.split(',');
        let gpu: Gpu = fields.next().ok_or_else(form)?.parse()?;
        let model: Model = fields.next().ok_or_else(form)?.parse()?;
        let port = fields.next().map_or(Ok(0), str::parse).map_err(|_| form())?;
        if fields.next().is_some() {
            return Err(form());
        }
        let spec =
            EngineSpec::new(gpu, model).ok_or_else(|| format!("{} does not fit a {}", model.name(), gpu.name()))?;
        Ok(Self { name: name.into(), spec, port })
    }
}
