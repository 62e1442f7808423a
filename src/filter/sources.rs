//! Callouts for profiles and pods: one VM at a time fetches, all take what changed. A bad answer changes nothing and is
//! logged when it first differs from what was said before, by the VM that got it.

use std::rc::Rc;
use std::time::Duration;

use super::host::{self, Buffer, Map};
use super::router::Router;
use super::stats::Stats;
use super::store::HostStore;
use crate::config::Config;
use crate::scheduling::pool::{PodSpec, Pool, ProfileEntry};
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::document::SharedDocument;
use crate::sources::http::{HttpSource, check_answer};
use crate::sources::{pods, profiles};

/// What the sources of a configuration gave so far.
pub struct Sources {
    profiles: Option<Source>,
    pods: Option<Source>,
    fetched_profiles: Vec<ProfileEntry>,
    fetched_pods: Vec<PodSpec>,
}

/// One document that is fetched over HTTP.
struct Source {
    name: &'static str,
    http: HttpSource,
    document: SharedDocument,
    /// The callout that this VM waits for.
    token: Option<u32>,
}

// === impl Sources ===

impl Sources {
    /// Of a configuration; nothing was fetched yet.
    pub fn new(config: &Config) -> Self {
        let source = |name: &'static str, http: &Option<HttpSource>| {
            let document = |http: &HttpSource| SharedDocument::new(name, http.fingerprint());
            http.clone().map(|http| Source { name, document: document(&http), http, token: None })
        };
        Self {
            profiles: source("profiles", &config.profiles.http),
            pods: source("pods", &config.pods.http),
            fetched_profiles: Vec::new(),
            fetched_pods: Vec::new(),
        }
    }

    /// The pool: what the configuration says, and what was fetched.
    pub fn pool(&self, config: &Config) -> Rc<Pool> {
        let pods = config.pods.fixed.iter().chain(&self.fetched_pods).cloned();
        let profiles: Vec<ProfileEntry> =
            config.profiles.inline.iter().chain(&self.fetched_profiles).cloned().collect();
        Rc::new(Pool::new(pods, &profiles))
    }
}

impl Router {
    /// Fetches what is due, and takes what other VMs fetched.
    pub(super) fn refresh_sources(&mut self, now: Instant) {
        let Sources { profiles, pods, .. } = &mut self.sources;
        for source in [profiles, pods].into_iter().flatten() {
            source.fetch_if_due(&self.store, &self.keys, &mut self.stats, now);
        }
        self.take_documents(now);
    }

    /// Takes what was fetched, here or in another VM. What is in force was found good by the VM that fetched it.
    pub(super) fn take_documents(&mut self, now: Instant) {
        let (store, keys) = (self.store, &self.keys);
        let Sources { profiles, pods, fetched_profiles, fetched_pods } = &mut self.sources;
        let mut changed = false;
        if let Some(bytes) = profiles.as_mut().and_then(|source| source.document.take_newer(&store, keys))
            && let Ok(document) = profiles::parse(&bytes)
        {
            changed = true;
            *fetched_profiles = document.over(std::mem::take(fetched_profiles));
        }
        if let Some(bytes) = pods.as_mut().and_then(|source| source.document.take_newer(&store, keys))
            && let Ok(pods) = pods::parse(&bytes)
        {
            changed = true;
            *fetched_pods = pods;
        }
        if changed {
            let pool = self.sources.pool(&self.config);
            let actions = self.dispatcher.set_pool(pool, now);
            self.perform(actions, None);
        }
    }

    /// A callout was answered, or failed.
    pub fn on_callout_answer(&mut self, token: u32, has_headers: bool, body_size: usize) {
        let Sources { profiles, pods, .. } = &mut self.sources;
        let sources = [profiles, pods].into_iter().flatten();
        let Some(source) = sources.into_iter().find(|source| source.token == Some(token)) else { return };
        source.token = None;
        source.conclude(read_answer(has_headers, body_size), &self.store, &self.keys, &mut self.stats);
        self.take_documents(host::now());
    }
}

/// The body of an answer, if it is worth copying into the VM.
fn read_answer(has_headers: bool, body_size: usize) -> Result<Vec<u8>, String> {
    let headers = host::headers(Map::CalloutAnswer);
    let status = headers.get(":status").filter(|_| has_headers).and_then(|status| status.parse().ok());
    check_answer(status, headers.get("content-type").as_deref(), body_size).map_err(|error| error.to_string())?;
    host::buffer(Buffer::CalloutAnswer, body_size).ok_or_else(|| "the answer's body is gone".to_owned())
}

// === impl Source ===

impl Source {
    fn fetch_if_due(&mut self, store: &HostStore, keys: &Keys, stats: &mut Stats, now: Instant) {
        let HttpSource { interval, timeout, .. } = self.http;
        if self.token.is_some() || !self.document.lease(store, keys, interval, timeout, now) {
            return;
        }
        match call(&self.http, timeout) {
            Ok(token) => self.token = Some(token),
            Err(complaint) => self.conclude(Err(complaint), store, keys, stats),
        }
    }

    /// Puts what was fetched into force, if it is good, and tells what became of it.
    fn conclude(&self, fetched: Result<Vec<u8>, String>, store: &HostStore, keys: &Keys, stats: &mut Stats) {
        let checked = fetched.and_then(|bytes| Ok((self.check(&bytes)?, bytes)));
        let (concluded, complaint) = match checked {
            Ok((complaint, bytes)) => (self.document.publish(store, keys, &bytes, complaint.as_deref()), complaint),
            Err(complaint) => (self.document.keep(store, keys, &complaint), Some(complaint)),
        };
        if concluded.changed {
            stats.source(self.name, true);
        }
        if complaint.is_some() {
            stats.source(self.name, false);
        }
        match complaint.filter(|_| concluded.news) {
            Some(complaint) => log::warn!("slo-router: {}: {complaint}; the last good ones stay in force", self.name),
            None if concluded.news => log::info!("slo-router: {}: all is well again", self.name),
            None => {}
        }
    }

    /// What is wrong with parts of a document; an error if it is not good enough to put into force.
    fn check(&self, bytes: &[u8]) -> Result<Option<String>, String> {
        if self.name == "pods" {
            return pods::parse(bytes).map(|_| None).map_err(|error| error.to_string());
        }
        let document = profiles::parse(bytes).map_err(|error| error.to_string())?;
        match document.complaint() {
            Some(complaint) if document.profiles.is_empty() => Err(complaint),
            complaint => Ok(complaint),
        }
    }
}

/// Starts a callout. The SDK does it, since it leads the answer back to this context by what it noted here.
fn call(http: &HttpSource, timeout: Duration) -> Result<u32, String> {
    let headers = http.headers().to_vec();
    proxy_wasm::hostcalls::dispatch_http_call(&http.cluster, headers, None, Vec::new(), timeout)
        .map_err(|status| format!("the callout to cluster `{}` could not be sent ({status:?})", http.cluster))
}
