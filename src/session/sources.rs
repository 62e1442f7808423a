//! Sources of one VM: their documents, and the fetches that it has under way. A bad answer changes
//! nothing and is logged when it first differs from what was said before, by the VM that got it.

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
use crate::sources::pods::PodDocument;
use crate::sources::profiles::ProfileDocument;
use crate::sources::{Document, Fetch, FetchProgress, Fetched, Source};

/// The kind of complaint of which a part of a document is the cause.
pub(super) const PARTIAL: &str = "partial";

/// Results so far of a configuration's sources.
pub(super) struct Sources {
    pub(super) profiles: Option<FetchedSource<ProfileDocument>>,
    pub(super) pods: Option<FetchedSource<PodDocument>>,
    /// `true` where the profiles are others than at the last tick.
    pub(super) has_new_profiles: bool,
    /// `true` where pods are to be asked for with the next tick, if the last ones are a second old.
    pub(super) is_hastened: bool,
}

/// One document that is fetched.
pub(super) struct FetchedSource<D> {
    source: Box<dyn Source<D>>,
    pub(super) document: SharedDocument,
    /// Content of the document in force; `None` until there is one.
    content: Option<D>,
    /// Document that this VM put into force, until it takes it: it need not be read again.
    published: Option<Fetched<D>>,
    /// The fetch that this VM has under way.
    fetching: Option<Fetching<D>>,
}

/// A fetch that is under way.
struct Fetching<D> {
    fetch: Box<dyn Fetch<D>>,
    /// Last request, and the callout that sends it.
    request: FetchRequest,
    token: u32,
}

// === impl Sources ===

impl Sources {
    /// Of a configuration; nothing was fetched yet.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            profiles: config.profiles.fetched().map(FetchedSource::new),
            pods: config.pods.fetched().map(FetchedSource::new),
            has_new_profiles: true,
            is_hastened: false,
        }
    }

    /// Returns `true` while the source of pods has not answered.
    pub(super) fn awaits_pods(&self) -> bool {
        self.pods.as_ref().is_some_and(|source| source.content.is_none())
    }

    /// Returns `true` while a source has given nothing.
    pub(super) fn awaits_any(&self) -> bool {
        self.awaits_pods() || self.profiles.as_ref().is_some_and(|source| !source.document.is_seen())
    }

    /// Returns `true` if the next tick has pods to ask for.
    pub(super) const fn is_hastened(&self) -> bool {
        self.is_hastened
    }

    /// Returns the profiles of the configuration and those that were fetched.
    pub(super) fn all_profiles<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = &'a ProfileEntry> {
        let fetched = self.profiles.iter().filter_map(|source| source.content.as_ref());
        let fetched = fetched.flat_map(|document| &document.profiles);
        config.profiles.inline.iter().chain(fetched)
    }

    /// The pool: what the configuration says, and what was fetched. A pod that both name is as the
    /// configuration says.
    pub(super) fn pool(&self, config: &Config) -> Rc<Pool> {
        let is_fixed = |pod: &&PodSpec| config.pods.fixed.iter().any(|fixed| fixed.address == pod.address);
        let fetched = self.pods.iter().filter_map(|source| source.content.as_ref());
        let fetched = fetched.flat_map(|document| &document.pods).filter(|pod| !is_fixed(pod));
        let profiles: Vec<ProfileEntry> = self.all_profiles(config).cloned().collect();
        let pool = Pool::new(config.pods.fixed.iter().chain(fetched).cloned(), &profiles);
        Rc::new(pool.bounded(|deployment| config.deployments.get(deployment)?.max_concurrent_requests))
    }
}

// === impl FetchedSource ===

impl<D: Document> FetchedSource<D> {
    fn new(source: Box<dyn Source<D>>) -> Self {
        let document = SharedDocument::new(D::NAME, source.fingerprint());
        Self { source, document, content: None, published: None, fetching: None }
    }

    /// Returns `true` if this VM awaits the answer to this callout for it.
    pub(super) fn awaits(&self, token: u32) -> bool {
        self.fetching.as_ref().is_some_and(|fetching| fetching.token == token)
    }

    /// Takes the document that was fetched last, here or in another VM, unless it was taken
    /// before; returns `true` if it is another one. It was found good by the VM that fetched it.
    pub(super) fn take_newer<H: Host>(&mut self, host: &H, keys: &Keys) -> bool {
        let published = self.published.take();
        let Some(bytes) = self.document.take_newer(host, keys) else { return false };
        let content = match published {
            Some(published) if published.bytes == bytes => Some(published.document),
            _ => D::read(&bytes).ok(),
        };
        let is_read = content.is_some();
        if is_read {
            self.content = content;
        }
        is_read
    }

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

    /// An answer came, with headers or none and a body of so many bytes: asks what is next, or ends
    /// the fetch.
    pub(super) fn go_on<H: Host>(
        &mut self,
        (has_headers, body_size): (bool, usize),
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
            FetchProgress::Done(fetched) => self.publish(fetched, etag.as_deref(), host, keys, stats),
        });
        if let Err(error) = went_on {
            self.keep(&error, host, keys, stats);
        }
    }

    /// Starts a callout.
    fn ask(&mut self, fetch: Box<dyn Fetch<D>>, host: &impl Host) -> Result<(), FetchError> {
        let (callout, request) = (self.source.callout(), fetch.request());
        let token = send_callout(host, callout, &request.headers(callout), &[])?;
        self.fetching = Some(Fetching { fetch, request, token });
        Ok(())
    }

    /// Puts what was fetched into force, if it is good enough.
    fn publish<H: Host>(
        &mut self,
        fetched: Fetched<D>,
        etag: Option<&str>,
        host: &H,
        keys: &Keys,
        stats: &mut Stats<H>,
    ) -> Result<(), FetchError> {
        let complete = D::complete(fetched, || self.document.in_force(host, keys))?;
        let complaint = (!complete.complaints.is_empty()).then(|| complete.complaints.join("; "));
        let good = Good { bytes: &complete.bytes, etag, complaint: complaint.as_deref() };
        let concluded = self.document.publish(host, keys, good);
        self.tell(concluded, complaint.map(|complaint| (complaint, PARTIAL)), stats);
        self.published = Some(complete);
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
            stats.source_updated(D::NAME);
        }
        if let Some((_, kind)) = &complaint {
            stats.source_failed(D::NAME, kind);
        }
        match complaint.filter(|_| concluded.news) {
            Some((complaint, kind)) => {
                let in_force = match kind {
                    PARTIAL => "the rest is in force",
                    _ if self.document.is_seen() => "the last good ones stay in force",
                    _ => "there are none so far, and they are asked for again soon",
                };
                log::warn!("slo-router: {}: {complaint}; {in_force}", D::NAME);
            }
            None if concluded.news => log::info!("slo-router: {}: all is well again", D::NAME),
            None => {}
        }
    }
}
