//! `slo-profile publish`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use slo_profile::publish::{Entry, config_map, document, entries, to_redis, to_url};

use super::files::{read, write};

#[derive(Args)]
pub(crate) struct Options {
    /// Profiles, or documents of several.
    #[arg(required = true)]
    profiles: Vec<PathBuf>,
    /// Whose they are, where the files do not say: NAMESPACE/NAME.
    #[arg(long)]
    deployment: Option<String>,
    /// Of which model, where the files do not say.
    #[arg(long)]
    model: Option<String>,
    #[command(subcommand)]
    to: Target,
}

#[derive(Subcommand)]
enum Target {
    /// To a file: the document that the filter polls.
    File {
        /// The file.
        path: PathBuf,
    },
    /// To a server, by HTTP PUT of that document.
    Put {
        /// The URL.
        url: String,
        /// Bearer token.
        #[arg(long, env = "SLO_PROFILE_TOKEN", hide_env_values = true)]
        token: Option<String>,
    },
    /// As a Kubernetes ConfigMap, on standard output: pipe it to `kubectl apply -f -`.
    ConfigMap {
        /// Its name.
        #[arg(default_value = "slo-router-profiles")]
        name: String,
        /// Its namespace.
        #[arg(long, default_value = "default")]
        namespace: String,
    },
    /// To Redis under AIBrix's key, aibrix:profile_MODEL_DEPLOYMENT.
    Redis {
        /// redis://[user:password@]host[:port][/db]
        url: String,
    },
}

// === impl Options ===

impl Options {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut all: Vec<Entry> = Vec::new();
        for path in &self.profiles {
            for entry in entries(&read(path)?)? {
                let deployment = self.deployment.clone().unwrap_or(entry.deployment);
                all.push(Entry { deployment, model: entry.model.or(self.model.clone()), ..entry });
            }
        }
        match self.to {
            Target::File { path } => write(Some(&path), &document(&all))?,
            Target::Put { url, token } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(to_url(&all, &url, token.as_deref()))?;
            }
            Target::ConfigMap { name, namespace } => print!("{}", config_map(&all, &name, &namespace)),
            Target::Redis { url } => to_redis(&all, &url)?.iter().for_each(|key| println!("{key}")),
        }
        Ok(ExitCode::SUCCESS)
    }
}
