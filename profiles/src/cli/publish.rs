//! `slo-profile publish`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use slo_profile::publish::{Entry, config_map, document, entries, to_redis, to_url};

use super::files::{read, write};

/// Destination.
#[derive(Subcommand)]
pub(crate) enum Target {
    /// To a file: the document that the filter polls.
    File {
        /// The file to write.
        path: PathBuf,
        #[command(flatten)]
        profiles: Profiles,
    },
    /// To a server, by HTTP PUT of that document.
    Put {
        /// The URL.
        url: String,
        #[command(flatten)]
        profiles: Profiles,
        /// Bearer token.
        #[arg(long, env = "SLO_PROFILE_TOKEN", hide_env_values = true)]
        token: Option<String>,
    },
    /// As a Kubernetes ConfigMap, on standard output: pipe it to `kubectl apply -f -`.
    ConfigMap {
        #[command(flatten)]
        profiles: Profiles,
        /// Its name.
        #[arg(long, default_value = "slo-router-profiles")]
        name: String,
        /// Its namespace.
        #[arg(long, default_value = "default")]
        namespace: String,
    },
    /// To Redis under AIBrix's key, aibrix:profile_MODEL_DEPLOYMENT.
    Redis {
        /// redis://[user:password@]host[:port][/db]
        url: String,
        #[command(flatten)]
        profiles: Profiles,
    },
}

/// Profiles to publish.
#[derive(Args)]
pub(crate) struct Profiles {
    /// Profiles, or documents of several.
    #[arg(required = true)]
    profiles: Vec<PathBuf>,
    /// Deployment that they belong to, whatever the files say: NAMESPACE/NAME.
    #[arg(long)]
    deployment: Option<String>,
    /// Of which model, where the files do not say.
    #[arg(long)]
    model: Option<String>,
}

// === impl Target ===

impl Target {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::File { path, profiles } => write(Some(&path), &document(&profiles.entries()?))?,
            Self::Put { url, profiles, token } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(to_url(&profiles.entries()?, &url, token.as_deref()))?;
            }
            Self::ConfigMap { profiles, name, namespace } => {
                write(None, &config_map(&profiles.entries()?, &name, &namespace))?;
            }
            Self::Redis { url, profiles } => {
                to_redis(&profiles.entries()?, &url)?.iter().for_each(|key| println!("{key}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

// === impl Profiles ===

impl Profiles {
    fn entries(&self) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for path in &self.profiles {
            for entry in entries(&read(path)?)? {
                let deployment = self.deployment.clone().unwrap_or(entry.deployment);
                all.push(Entry { deployment, model: entry.model.or(self.model.clone()), ..entry });
            }
        }
        Ok(all)
    }
}
