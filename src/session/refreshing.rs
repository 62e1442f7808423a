//! Refreshing of profiles and pods: one VM at a time fetches, all take what changed.

use super::host::Host;
use super::router::Router;
use super::sources::Sources;
use crate::scheduling::time::Instant;
use crate::shared::store::is_news;

impl<H: Host> Router<H> {
    /// Fetches what is due, and takes what other VMs fetched.
    pub(super) fn refresh_sources(&mut self, now: Instant) {
        let Sources { profiles, pods, is_hastened, .. } = &mut self.sources;
        *is_hastened = false;
        if let Some(profiles) = profiles {
            profiles.fetch_if_due(&self.host, &self.keys, &mut self.stats, now);
        }
        if let Some(pods) = pods {
            pods.fetch_if_due(&self.host, &self.keys, &mut self.stats, now);
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

    /// Takes what was fetched, here or in another VM.
    pub(super) fn take_documents(&mut self, now: Instant) {
        let (host, keys) = (&self.host, &self.keys);
        let Sources { profiles, pods, has_new_profiles, .. } = &mut self.sources;
        let new_profiles = profiles.as_mut().is_some_and(|source| source.take_newer(host, keys));
        let new_pods = pods.as_mut().is_some_and(|source| source.take_newer(host, keys));
        *has_new_profiles |= new_profiles;
        if new_profiles || new_pods {
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
        if let Some(hidden) = self.config.hidden_default(self.sources.all_profiles(&self.config))
            && is_news(&self.host, &self.keys.said("slo.default"), &hidden)
        {
            log::info!("slo-router: {hidden}");
        }
    }

    /// A callout was answered, or failed.
    pub fn on_callout_answer(&mut self, token: u32, has_headers: bool, body_size: usize) {
        let now = self.host.now();
        let Sources { profiles, pods, .. } = &mut self.sources;
        let (host, keys, stats) = (&self.host, &self.keys, &mut self.stats);
        if let Some(source) = profiles.as_mut().filter(|source| source.awaits(token)) {
            source.go_on((has_headers, body_size), host, keys, stats, now);
        } else if let Some(source) = pods.as_mut().filter(|source| source.awaits(token)) {
            source.go_on((has_headers, body_size), host, keys, stats, now);
        } else {
            return self.on_replicas_answer(token, has_headers, body_size, now);
        }
        self.take_documents(now);
    }
}
