//! Refreshing of profiles and pods: one VM at a time fetches, all take what changed.

use super::host::Host;
use super::router::Router;
use super::sources::{FetchedSource, Sources};
use crate::scheduling::time::Instant;
use crate::shared::store::is_news;
use crate::sources::{pods, profiles};

impl<H: Host> Router<H> {
    /// Fetches what is due, and takes what other VMs fetched.
    pub(super) fn refresh_sources(&mut self, now: Instant) {
        let Sources { profiles, pods, is_hastened, .. } = &mut self.sources;
        *is_hastened = false;
        for source in [profiles, pods].into_iter().flatten() {
            source.fetch_if_due(&self.host, &self.keys, &mut self.stats, now);
        }
        self.take_documents(now);
        self.tell_hidden_default();
    }

    /// Has the source of pods asked before its time: one failed, which may be gone, or none was
    /// there for a request.
    pub(super) fn hasten_pods(&mut self) {
        if let Some(pods) = &self.sources.pods {
            pods.document.hasten(&self.host, &self.keys);
            self.sources.is_hastened = true;
            self.adjust_tick();
        }
    }

    /// Takes what was fetched, here or in another VM. What is in force was found good by the VM
    /// that fetched it.
    pub(super) fn take_documents(&mut self, now: Instant) {
        let (store, keys) = (&self.host, &self.keys);
        let Sources { profiles, pods, fetched_profiles, fetched_pods, has_new_profiles, .. } = &mut self.sources;
        let mut changed = false;
        if let Some(bytes) = profiles.as_mut().and_then(|source| source.document.take_newer(store, keys))
            && let Ok(document) = profiles::parse(&bytes)
        {
            (changed, *has_new_profiles) = (true, true);
            *fetched_profiles = document.profiles;
        }
        if let Some(bytes) = pods.as_mut().and_then(|source| source.document.take_newer(store, keys))
            && let Ok(pods) = pods::parse(&bytes)
        {
            changed = true;
            *fetched_pods = Some(pods);
        }
        if changed {
            let pool = self.sources.pool(&self.config);
            let actions = self.dispatcher.set_pool(pool, now);
            self.perform(actions, None);
        }
    }

    /// Says where profiles hide the configuration's own objective, once for all VMs.
    fn tell_hidden_default(&mut self) {
        if !std::mem::take(&mut self.sources.has_new_profiles) {
            return;
        }
        let profiles = self.config.profiles.inline.iter().chain(&self.sources.fetched_profiles);
        if let Some(hidden) = self.config.hidden_default(profiles)
            && is_news(&self.host, &self.keys.said("slo.default"), &hidden)
        {
            log::info!("slo-router: {hidden}");
        }
    }

    /// A callout was answered, or failed.
    pub fn on_callout_answer(&mut self, token: u32, has_headers: bool, body_size: usize) {
        let now = self.host.now();
        let Sources { profiles, pods, .. } = &mut self.sources;
        let asked =
            |source: &&mut FetchedSource| source.fetching.as_ref().is_some_and(|fetching| fetching.token == token);
        let sources = [profiles, pods].into_iter().flatten();
        let Some(source) = sources.into_iter().find(asked) else {
            return self.on_replicas_answer(token, has_headers, body_size, now);
        };
        source.go_on(has_headers, body_size, &self.host, &self.keys, &mut self.stats, now);
        self.take_documents(now);
    }
}
