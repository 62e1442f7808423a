//! Sources of documents, of all kinds.

use std::fmt;
use std::hash::{Hash, Hasher};

use fnv::FnvHasher;

use super::callout::Callout;
use super::config_map::ConfigMapSource;
use super::envoy::EnvoySource;
use super::fetch::Fetch;
use super::http::HttpSource;
use super::kubernetes::KubernetesSource;
use super::webdis::WebdisSource;

/// Origin of a pod or profile document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A server that has the document itself.
    Http(HttpSource),
    /// Pods, from the clusters of an Envoy.
    Envoy(EnvoySource),
    /// Pods, from the API server of Kubernetes.
    Kubernetes(KubernetesSource),
    /// Profiles, from a ConfigMap of Kubernetes.
    ConfigMap(ConfigMapSource),
    /// Profiles, from the keys that AIBrix keeps in Redis.
    Webdis(WebdisSource),
}

// === impl Source ===

impl Source {
    /// Server that it asks, and how often.
    pub fn callout(&self) -> &Callout {
        match self {
            Self::Http(source) => &source.callout,
            Self::Envoy(source) => &source.callout,
            Self::Kubernetes(source) => &source.callout,
            Self::ConfigMap(source) => &source.callout,
            Self::Webdis(source) => &source.callout,
        }
    }

    /// Tells where the document comes from and how it is read, however often it is fetched and
    /// whatever the configuration says beside it.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = FnvHasher::default();
        (&self.callout().cluster, &self.callout().authority).hash(&mut hasher);
        std::mem::discriminant(self).hash(&mut hasher);
        match self {
            Self::Http(source) => source.path.hash(&mut hasher),
            Self::Envoy(source) => source.clusters.hash(&mut hasher),
            Self::Kubernetes(source) => source.query.hash(&mut hasher),
            Self::ConfigMap(source) => (&source.namespace, &source.name).hash(&mut hasher),
            Self::Webdis(source) => source.namespace.hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Begins a fetch. `etag`: of the document that is in force, if it had one.
    pub fn fetch(&self, etag: Option<String>) -> Box<dyn Fetch> {
        match self {
            Self::Http(source) => Box::new(source.fetch(etag)),
            Self::Envoy(source) => Box::new(source.fetch()),
            Self::Kubernetes(source) => Box::new(source.fetch()),
            Self::ConfigMap(source) => Box::new(source.fetch()),
            Self::Webdis(source) => Box::new(source.fetch()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callout { cluster, interval, .. } = self.callout();
        match self {
            Self::Http(source) => write!(f, "{cluster}{}", source.path),
            Self::Envoy(source) => write!(f, "{} clusters that Envoy knows, by {cluster}", source.clusters.len()),
            Self::Kubernetes(source) => write!(f, "Kubernetes' {}, by {cluster}", source.query),
            Self::ConfigMap(source) => {
                write!(f, "Kubernetes' config map {}/{}, by {cluster}", source.namespace, source.name)
            }
            Self::Webdis(_) => write!(f, "Redis, by {cluster}"),
        }?;
        write!(f, " every {interval:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn http(text: &str) -> Source {
        Source::Http(json::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_source_is_the_same_however_often_it_is_asked() {
        let one = http(r#"{"cluster": "c", "path": "/p"}"#).fingerprint();
        assert_eq!(one, http(r#"{"cluster": "c", "path": "/p", "interval": "1s", "timeout": "1s"}"#).fingerprint());
        assert_ne!(one, http(r#"{"cluster": "c", "path": "/q"}"#).fingerprint());
        assert_ne!(one, http(r#"{"cluster": "d", "path": "/p"}"#).fingerprint());
        assert_ne!(one, http(r#"{"cluster": "c", "path": "/p", "authority": "d"}"#).fingerprint());
    }

    #[test]
    fn a_source_says_in_a_line_what_it_asks_for() {
        let kubernetes = r#"{"cluster": "api", "namespace": "prod", "service": "llama"}"#;
        let envoy = r#"{"cluster": "admin", "clusters": [{"name": "pods", "deployment": "a"}]}"#;
        for (source, expected) in [
            (http(r#"{"cluster": "files", "path": "/p"}"#), "files/p every 10s"),
            (
                Source::Kubernetes(json::read(kubernetes.as_bytes()).unwrap()),
                "Kubernetes' service prod/llama, by api every 2s",
            ),
            (Source::Envoy(json::read(envoy.as_bytes()).unwrap()), "1 clusters that Envoy knows, by admin every 2s"),
        ] {
            assert_eq!(source.to_string(), expected);
        }
    }
}
