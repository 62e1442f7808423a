//! Sources of documents: a source of pods gives pods, one of profiles gives profiles.

use std::fmt;
use std::hash::{Hash, Hasher};

use fnv::FnvHasher;

use super::callout::Callout;
use super::fetch::Fetch;

/// Origin of documents of one kind. It is displayed in a line: what it asks, and how often.
pub trait Source<D>: fmt::Display {
    /// Server that it asks, and how often.
    fn callout(&self) -> &Callout;

    /// Hashes what tells its document from others of the same server, after a number that no other
    /// kind of source has.
    fn identify(&self, hasher: &mut FnvHasher);

    /// Begins a fetch. `etag`: of the document that is in force, if it had one.
    fn fetch(&self, etag: Option<String>) -> Box<dyn Fetch<D>>;

    /// Tells where the document comes from and how it is read, however often it is fetched and
    /// whatever the configuration says beside it.
    fn fingerprint(&self) -> u64 {
        let mut hasher = FnvHasher::default();
        let Callout { cluster, authority, .. } = self.callout();
        (cluster, authority).hash(&mut hasher);
        self.identify(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::sources::envoy::EnvoySource;
    use crate::sources::http::HttpSource;
    use crate::sources::kubernetes::KubernetesSource;
    use crate::sources::pods::PodDocument;

    type PodSource = dyn Source<PodDocument>;

    fn http(text: &str) -> HttpSource {
        json::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_source_is_the_same_however_often_it_is_asked() {
        let fingerprint = |text| PodSource::fingerprint(&http(text));
        let one = fingerprint(r#"{"cluster": "c", "path": "/p"}"#);
        assert_eq!(one, fingerprint(r#"{"cluster": "c", "path": "/p", "interval": "1s", "timeout": "1s"}"#));
        assert_ne!(one, fingerprint(r#"{"cluster": "c", "path": "/q"}"#));
        assert_ne!(one, fingerprint(r#"{"cluster": "d", "path": "/p"}"#));
        assert_ne!(one, fingerprint(r#"{"cluster": "c", "path": "/p", "authority": "d"}"#));
    }

    #[test]
    fn a_source_says_in_a_line_what_it_asks_for() {
        let kubernetes: KubernetesSource =
            json::read(br#"{"cluster": "api", "namespace": "prod", "service": "llama"}"#).unwrap();
        let envoy: EnvoySource =
            json::read(br#"{"cluster": "admin", "clusters": [{"name": "pods", "deployment": "a"}]}"#).unwrap();
        let sources: [(&PodSource, &str); 3] = [
            (&http(r#"{"cluster": "files", "path": "/p"}"#), "files/p every 10s"),
            (&kubernetes, "Kubernetes' service prod/llama, by api every 2s"),
            (&envoy, "1 clusters that Envoy knows, by admin every 2s"),
        ];
        for (source, expected) in sources {
            assert_eq!(source.to_string(), expected);
        }
    }
}
