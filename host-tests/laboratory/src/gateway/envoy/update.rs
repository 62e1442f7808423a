//! Changing the configuration of a running Envoy.

use serde_json::Value;

use super::{Envoy, Error, Options, config};
use crate::gateway::until;

impl Envoy {
    /// Gives the filter another configuration, as a control plane does, and waits until Envoy has taken or refused it.
    /// Needs [`Options::dynamic`](super::Options::dynamic).
    ///
    /// # Errors
    /// [`Error::Refused`] with what was logged where Envoy or the filter refuses it.
    ///
    /// # Panics
    /// Where Envoy does neither in time.
    pub async fn update(&mut self, filter: Value) -> Result<(), Error> {
        let mut options = self.options.clone();
        options.filter = filter;
        self.update_to(options).await
    }

    /// The same with any change of the gateway's listener, which is that of these options.
    ///
    /// # Errors
    /// As [`Envoy::update`].
    ///
    /// # Panics
    /// As [`Envoy::update`].
    pub async fn update_to(&mut self, options: Options) -> Result<(), Error> {
        let logged = self.log().len();
        let (taken, refused) = self.updates().await?;
        self.options = options;
        config::update(&self.options, self.directory.path())?;
        let mut now = (taken, refused);
        until("Envoy has taken or refused the update", async || {
            now = self.updates().await.unwrap_or(now);
            now != (taken, refused)
        })
        .await;
        if now.1 > refused {
            let log = self.log();
            return Err(Error::Refused { log: log.get(logged..).unwrap_or_default().to_owned() });
        }
        Ok(())
    }

    /// Updates of the listener that were taken, and that were refused.
    async fn updates(&self) -> Result<(u64, u64), Error> {
        let stats = self.stats().await?;
        let count = |what: &str| stats.get(&format!("listener_manager.lds.update_{what}")).unwrap_or(0);
        Ok((count("success"), count("rejected")))
    }
}
