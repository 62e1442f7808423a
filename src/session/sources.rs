//! Sources of one VM: their documents, and the fetches that it has under way. A bad answer changes
//! nothing and is logged when it first differs from what was said before, by the VM that got it.

use std::borrow::Cow;
use std::rc::Rc;

use super::callout::{Answer, read_answer, send_callout};
use super::host::Host;
use super::stats::Stats;
use crate::config::Config;
use crate::scheduling::pool::{PodSpec, Pool, ProfileEntry};
use crate::scheduling::time::Instant;
use crate::shared::Keys;
use crate::shared::document::{Concluded, Good, SharedDocument};
use crate::sources::callout::{Callout, FetchError, FetchRequest};
use crate::sources::{self, Fetch, FetchProgress, Fetched, pods, profiles};

/// The kind of complaint of which a part of a document is the cause.
pub(super) const PARTIAL: &str = "partial";

/// Results so far of a configuration's sources.
pub(super) struct Sources {
    pub(super) profiles: Option<FetchedSource>,
    pub(super) pods: Option<FetchedSource>,
    pub(super) fetched_profiles: Vec<ProfileEntry>,
    /// Last answer of the source of pods; `None` until it has answered.
    pub(super) fetched_pods: Option<Vec<PodSpec>>,
    /// `true` where the profiles are others than at the last tick.
    pub(super) has_new_profiles: bool,
    /// `true` where pods are to be asked for with the next tick, if the last ones are a second old.
    pub(super) is_hastened: bool,
}

/// One document that is fetched.
pub(super) struct FetchedSource {
    name: &'static str,
    source: sources::Source,
    pub(super) document: SharedDocument,
    /// The fetch that this VM has under way.
    pub(super) fetching: Option<Fetching>,
}

/// A fetch that is under way.
pub(super) struct Fetching {
    fetch: Box<dyn Fetch>,
    /// Last request, and the callout that sends it.
    request: FetchRequest,
    pub(super) token: u32,
}

// === impl Sources ===

impl Sources {
    /// Of a configuration; nothing was fetched yet.
    pub(super) fn new(config: &Config) -> Self {
        let source = |name: &'static str, source: Option<sources::Source>| {
            let document = |source: &sources::Source| SharedDocument::new(name, source.fingerprint());
            source.map(|source| FetchedSource { name, document: document(&source), source, fetching: None })
        };
        Self {
            profiles: source("profiles", config.profiles.fetched()),
            pods: source("pods", config.pods.fetched()),
            fetched_profiles: Vec::new(),
            fetched_pods: None,
            has_new_profiles: true,
            is_hastened: false,
        }
    }

    /// Returns `true` while the source of pods has not answered.
    pub(super) fn awaits_pods(&self) -> bool {
        self.pods.is_some() && self.fetched_pods.is_none()
    }

    /// Returns `true` while a source has given nothing.
    pub(super) fn awaits_any(&self) -> bool {
        self.awaits_pods() || self.profiles.as_ref().is_some_and(|source| !source.document.is_seen())
    }

    /// Returns `true` if the next tick has pods to ask for.
    pub(super) const fn is_hastened(&self) -> bool {
        self.is_hastened
    }

    /// The pool: what the configuration says, and what was fetched. A pod that both name is as the
    /// configuration says.
    pub(super) fn pool(&self, config: &Config) -> Rc<Pool> {
        let is_fixed = |pod: &&PodSpec| config.pods.fixed.iter().any(|fixed| fixed.address == pod.address);
        let fetched = self.fetched_pods.iter().flatten().filter(|pod| !is_fixed(pod));
        let profiles: Vec<ProfileEntry> =
            config.profiles.inline.iter().chain(&self.fetched_profiles).cloned().collect();
        let pool = Pool::new(config.pods.fixed.iter().chain(fetched).cloned(), &profiles);
        Rc::new(pool.bounded(|deployment| config.deployments.get(deployment)?.max_concurrent_requests))
    }
}

// === impl FetchedSource ===

impl FetchedSource {
    pub(super) fn fetch_if_due<H: Host>(&mut self, host: &H, keys: &Keys, stats: &mut Stats<H>, now: Instant) {
        let Callout { interval, timeout, .. } = *self.source.callout();
        if self.fetching.is_some() || !self.document.lease(host, keys, interval, timeout, now) {
            return;
        }
        let fetch = self.source.fetch(self.document.etag(host, keys));
        if let Err(error) = self.ask(fetch, host) {
            self.keep(&error, host, keys, stats);
        }
    }

    /// An answer came: asks what is next, or ends the fetch.
    pub(super) fn go_on<H: Host>(
        &mut self,
        has_headers: bool,
        body_size: usize,
        host: &H,
        keys: &Keys,
        stats: &mut Stats<H>,
        now: Instant,
    ) {
        let Some(Fetching { mut fetch, request, .. }) = self.fetching.take() else { return };
        let went_on = match read_answer(host, &request, has_headers, body_size) {
            Ok(Answer::Unchanged) => return self.tell(self.document.confirm(host, keys), None, stats),
            Ok(Answer::Body(body, etag)) => fetch.read(&body).map(|progress| (progress, etag)),
            Err(error) => Err(error),
        };
        let went_on = went_on.and_then(|(progress, etag)| match progress {
            FetchProgress::Next => {
                self.document.renew(host, keys, self.source.callout().timeout, now);
                self.ask(fetch, host)
            }
            FetchProgress::Done(fetched) => self.publish(&fetched, etag.as_deref(), host, keys, stats),
        });
        if let Err(error) = went_on {
            self.keep(&error, host, keys, stats);
        }
    }

    /// Starts a callout.
    fn ask(&mut self, fetch: Box<dyn Fetch>, host: &impl Host) -> Result<(), FetchError> {
        let (callout, request) = (self.source.callout(), fetch.request());
        let token = send_callout(host, callout, &request.headers(callout), &[])?;
        self.fetching = Some(Fetching { fetch, request, token });
        Ok(())
    }

    /// Puts what was fetched into force, if it is good enough.
    fn publish<H: Host>(
        &self,
        fetched: &Fetched,
        etag: Option<&str>,
        host: &H,
        keys: &Keys,
        stats: &mut Stats<H>,
    ) -> Result<(), FetchError> {
        let (document, complaint) = self.check(&fetched.document, host, keys)?;
        let complaints: Vec<String> = fetched.complaints.iter().cloned().chain(complaint).collect();
        let complaint = (!complaints.is_empty()).then(|| complaints.join("; "));
        let good = Good { bytes: &document, etag, complaint: complaint.as_deref() };
        let concluded = self.document.publish(host, keys, good);
        self.tell(concluded, complaint.map(|complaint| (complaint, PARTIAL)), stats);
        Ok(())
    }

    fn keep<H: Host>(&self, error: &FetchError, host: &H, keys: &Keys, stats: &mut Stats<H>) {
        let complaint = error.to_string();
        let concluded = self.document.keep(host, keys, &complaint);
        self.tell(concluded, Some((complaint, error.code())), stats);
    }

    /// Counts what became of a fetch, and logs what is news. A complaint is told with its kind.
    fn tell<H: Host>(&self, concluded: Concluded, complaint: Option<(String, &'static str)>, stats: &mut Stats<H>) {
        if concluded.changed {
            stats.source_updated(self.name);
        }
        if let Some((_, kind)) = &complaint {
            stats.source_failed(self.name, kind);
        }
        match complaint.filter(|_| concluded.news) {
            Some((complaint, kind)) => {
                let in_force = match kind {
                    PARTIAL => "the rest is in force",
                    _ if self.document.is_seen() => "the last good ones stay in force",
                    _ => "there are none so far, and they are asked for again soon",
                };
                log::warn!("slo-router: {}: {complaint}; {in_force}", self.name);
            }
            None if concluded.news => log::info!("slo-router: {}: all is well again", self.name),
            None => {}
        }
    }

    /// Returns the part of a document to put into force, with the last good version of what is bad
    /// of it, and a complaint of that; an error if it is not good enough.
    fn check<'a>(
        &self,
        bytes: &'a [u8],
        host: &impl Host,
        keys: &Keys,
    ) -> Result<(Cow<'a, [u8]>, Option<String>), FetchError> {
        if self.name == "pods" {
            pods::parse(bytes)?;
            return Ok((Cow::Borrowed(bytes), None));
        }
        let document = profiles::parse(bytes)?;
        match document.complaint() {
            None => Ok((Cow::Borrowed(bytes), None)),
            Some(complaint) if document.profiles.is_empty() => Err(FetchError::Invalid(complaint)),
            Some(complaint) => {
                let complete = profiles::complete(bytes, &self.document.in_force(host, keys))?;
                Ok((Cow::Owned(complete), Some(complaint)))
            }
        }
    }
}
