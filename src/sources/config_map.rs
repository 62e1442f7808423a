//! Profiles from a ConfigMap of Kubernetes: the value of each of its keys is a profile document.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;

use fnv::FnvHasher;
use serde::Deserialize;

use super::callout::{Callout, FetchError, FetchRequest, callout_document};
use super::fetch::{Fetch, FetchProgress};
use super::gather::Gather;
use super::kubernetes::{ObjectName, expect};
use super::profiles::ProfileDocument;
use super::source::Source;
use crate::json::{self, text};

/// ConfigMap with profiles, and the server that has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "ConfigMapDocument")]
pub struct ConfigMapSource {
    /// The API server, or a proxy before it that adds the token.
    pub callout: Callout,
    /// Its namespace, and that of the deployments whose profiles name none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

callout_document!(ConfigMapDocument every "crate::sources::callout::seldom" {
    #[serde(deserialize_with = "text::one::<ObjectName, _>")]
    namespace: String,
    #[serde(deserialize_with = "text::one::<ObjectName, _>")]
    name: String,
});

struct ConfigMapFetch {
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ConfigMap {
    data: Option<BTreeMap<String, String>>,
}

// === impl ConfigMapSource ===

impl Source<ProfileDocument> for ConfigMapSource {
    fn callout(&self) -> &Callout {
        &self.callout
    }

    fn identify(&self, hasher: &mut FnvHasher) {
        (3_isize, &self.namespace, &self.name).hash(hasher);
    }

    fn fetch(&self, _: Option<String>) -> Box<dyn Fetch<ProfileDocument>> {
        Box::new(ConfigMapFetch { namespace: self.namespace.clone(), name: self.name.clone() })
    }
}

impl fmt::Display for ConfigMapSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { callout: Callout { cluster, interval, .. }, namespace, name } = self;
        write!(f, "Kubernetes' config map {namespace}/{name}, by {cluster} every {interval:?}")
    }
}

impl From<ConfigMapDocument> for ConfigMapSource {
    fn from(document: ConfigMapDocument) -> Self {
        Self { callout: document.callout(), namespace: document.namespace, name: document.name }
    }
}

// === impl ConfigMapFetch ===

impl Fetch<ProfileDocument> for ConfigMapFetch {
    fn request(&self) -> FetchRequest {
        FetchRequest::json(format!("/api/v1/namespaces/{}/configmaps/{}", self.namespace, self.name))
    }

    fn read(&mut self, body: &[u8]) -> Result<FetchProgress<ProfileDocument>, FetchError> {
        expect(body, "ConfigMap", "v1")?;
        let ConfigMap { data } = json::read(body)?;
        let mut gather = Gather::default();
        for (key, text) in data.into_iter().flatten() {
            gather
                .add_document(text.as_bytes(), &self.namespace)
                .map_err(|error| error.under(format_args!("data.{key}")))?;
        }
        Ok(FetchProgress::Done(gather.fetched(Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::sources::profiles;

    fn source() -> ConfigMapSource {
        let text = br#"{"cluster": "api", "namespace": "prod", "name": "profiles"}"#;
        json::read(text).unwrap()
    }

    fn read(data: &Value) -> Result<ProfileDocument, FetchError> {
        let map = json!({ "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": "profiles" }, "data": data });
        let FetchProgress::Done(fetched) = source().fetch(None).read(map.to_string().as_bytes())? else {
            panic!("one answer")
        };
        assert_eq!(profiles::parse(&fetched.bytes).as_ref(), Ok(&fetched.document));
        Ok(fetched.document)
    }

    fn profile(gpu: &str) -> String {
        format!(r#"{{"gpu": "{gpu}", "cost": 1, "indexes": [[64], [64]], "tputs": [[2]], "e2e": [[NaN]]}}"#)
    }

    fn keys(document: &ProfileDocument) -> Vec<String> {
        document.profiles.iter().map(|entry| entry.key().to_string()).collect()
    }

    #[test]
    fn it_asks_for_the_map() {
        assert_eq!(source().fetch(None).request().path, "/api/v1/namespaces/prod/configmaps/profiles");
    }

    #[test]
    fn the_values_are_documents_of_either_form() {
        let listed = json!({ "profiles": [
            { "deployment": "other/b", "model": "m", "profile": serde_json::from_str::<Value>(&profile("b").replace("NaN", "null")).unwrap() },
        ] });
        let document = read(&json!({ "a.json": profile("a"), "b.json": listed.to_string() })).unwrap();
        assert_eq!(keys(&document), ["deployment prod/a, any model", "deployment other/b, model \"m\""]);
        assert_eq!(document.rejected, []);
    }

    #[test]
    fn a_bad_profile_costs_only_itself() {
        let bad = profile("a").replace("[[2]]", "[[-2]]");
        let document = read(&json!({ "a.json": bad, "b.json": profile("b") })).unwrap();
        assert_eq!(keys(&document), ["deployment prod/b, any model"]);
        assert_eq!(document.rejected[0].key.as_ref().unwrap().deployment.as_str(), "prod/a");
    }

    #[test]
    fn a_value_that_is_no_document_is_named() {
        for text in ["", "not JSON", "[]", "{}", r#"{"profiles": 1}"#] {
            let error = read(&json!({ "a.json": profile("a"), "notes": text })).unwrap_err().to_string();
            assert!(error.starts_with("data.notes"), "{error}");
        }
    }

    #[test]
    fn an_empty_map_has_no_profiles() {
        for data in [json!(null), json!({})] {
            assert_eq!(read(&data).unwrap(), ProfileDocument::default());
        }
    }

    #[test]
    fn another_kind_of_answer_is_refused() {
        for answer in [json!({ "kind": "Secret", "apiVersion": "v1" }), json!({ "kind": "ConfigMap" }), json!({})] {
            let error = source().fetch(None).read(answer.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.ends_with("expected kind \"ConfigMap\" of \"v1\""), "{error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            let _ = source().fetch(None).read(&bytes);
            let _ = read(&json!({ "a": text }));
        }
    }
}
