//! Pod documents: `{"pods": [{"address", "deployment", "models"}]}`.

use serde::{Deserialize, Serialize};

use super::document::{Document, Fetched};
use crate::json::{self, JsonError, address};
use crate::scheduling::pool::{MAX_PODS, PodSpec};

/// Content of a document. No pods are a valid answer: a pool that is scaled to zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodDocument {
    /// The pods, each address once.
    #[serde(deserialize_with = "json::object_list")]
    pub pods: Vec<PodSpec>,
}

// === impl PodDocument ===

impl Document for PodDocument {
    const NAME: &'static str = "pods";

    /// A document is taken as a whole or not at all: half a pool would be taken for a pool that
    /// shrank.
    fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        let document: Self = json::read(bytes)?;
        check("pods", &document.pods)?;
        Ok(document)
    }
}

impl PodDocument {
    /// Makes a document of pods that a server listed in a form of its own. `complaints`: of those
    /// that are left out.
    ///
    /// # Errors
    ///
    /// As those of reading the document that is made.
    pub(super) fn listed(
        pods: impl IntoIterator<Item = PodSpec>,
        complaints: Vec<String>,
    ) -> Result<Fetched<Self>, JsonError> {
        let document = Self { pods: pods.into_iter().collect() };
        for (index, pod) in document.pods.iter().enumerate() {
            address::check(format_args!("pods[{index}].address"), pod.address)?;
        }
        check("pods", &document.pods)?;
        // Cannot fail: there are no maps in it, whose keys could be no strings.
        let bytes = serde_json::to_vec(&document).unwrap_or_default();
        Ok(Fetched { bytes, document, complaints })
    }
}

/// Checks rules that span several pods; `path` is where they stand.
///
/// # Errors
///
/// More than [`MAX_PODS`]; an address that two of them have.
pub fn check(path: &str, pods: &[PodSpec]) -> Result<(), JsonError> {
    if pods.len() > MAX_PODS {
        let found = format_args!("{} pods", pods.len());
        return Err(JsonError::invalid(path, found, format_args!("at most {MAX_PODS}")));
    }
    match json::duplicate(pods, |pod| pod.address) {
        None => Ok(()),
        Some((first, second)) => {
            let address = pods.get(second).map_or_else(String::new, |pod| pod.address.to_string());
            let expected = format_args!("each address once; {path}[{first}] has it too");
            Err(JsonError::invalid(format_args!("{path}[{second}].address"), address, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(document: &str, expected: &str) {
        let error = PodDocument::read(document.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn pods_are_read() {
        let document = br#"{"pods": [
            {"address": "10.0.0.7:8000", "deployment": "prod/llama-a10", "models": ["llama", "adapter"]},
            {"address": "[2001:db8::7]:8000", "deployment": "llama-l20"}
        ]}"#;
        let PodDocument { pods } = PodDocument::read(document).unwrap();
        assert_eq!(pods[0].address, "10.0.0.7:8000".parse().unwrap());
        assert_eq!(pods[0].deployment.as_str(), "prod/llama-a10");
        assert_eq!(pods[0].models, ["llama", "adapter"]);
        assert_eq!(pods[1].address, "[2001:db8::7]:8000".parse().unwrap());
        assert_eq!(pods[1].deployment.as_str(), "default/llama-l20");
        assert!(pods[1].models.is_empty());
        assert_eq!(pods.len(), 2);
    }

    #[test]
    fn what_is_written_is_read() {
        let document = br#"{"pods":[{"address":"10.0.0.7:8000","deployment":"prod/a","models":["m"]},{"address":"[2001:db8::7]:80","deployment":"default/b"}]}"#;
        let read = PodDocument::read(document).unwrap();
        let written = PodDocument::listed(read.pods.clone(), vec![]).unwrap();
        assert_eq!((written.bytes, written.document), (document.to_vec(), read));
    }

    #[test]
    fn no_pods_are_an_answer() {
        assert_eq!(PodDocument::read(br#"{"pods": []}"#), Ok(PodDocument::default()));
    }

    #[test]
    fn an_address_that_reaches_no_single_pod_is_refused() {
        for address in [
            "10.0.0.7",
            "10.0.0.7:0",
            "10.0.0.7:65536",
            "0.0.0.0:80",
            "[::]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[ff02::1]:80",
            "[fe80::1%1]:80",
            "2001:db8::7:8000",
            "pod-7:8000",
            " 10.0.0.7:80",
            "",
        ] {
            let document = format!(r#"{{"pods": [{{"address": "{address}", "deployment": "a"}}]}}"#);
            refused(&document, &format!("pods[0].address: invalid value: string {address:?}, expected the IP address"));
        }
    }

    #[test]
    fn an_address_may_stand_once() {
        refused(
            r#"{"pods": [{"address": "10.0.0.7:80", "deployment": "a"}, {"address": "10.0.0.8:80", "deployment": "a"},
                         {"address": "10.0.0.7:80", "deployment": "b"}]}"#,
            "pods[2].address: invalid value: 10.0.0.7:80, expected each address once; pods[0] has it too",
        );
    }

    #[test]
    fn a_pool_has_a_largest_size() {
        let pods = |count: u32| {
            let pod = |n| format!(r#"{{"address": "10.1.{}.{}:80", "deployment": "a"}}"#, n >> 8, n & 255);
            format!(r#"{{"pods": [{}]}}"#, (0..count).map(pod).collect::<Vec<_>>().join(","))
        };
        assert_eq!(PodDocument::read(pods(10_000).as_bytes()).unwrap().pods.len(), MAX_PODS);
        refused(&pods(10_001), "pods: invalid value: 10001 pods, expected at most 10000");
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        refused("[]", "invalid type: sequence, expected an object");
        refused("{}", "missing field `pods`");
        refused(r#"{"pods": [{"address": "10.0.0.7:80"}]}"#, "pods[0]: missing field `deployment`");
        refused(
            r#"{"pods": [{"address": "10.0.0.7:80", "deployment": "a", "model": "m"}]}"#,
            "pods[0].model: unknown field `model`, expected one of `address`, `deployment`, `models`",
        );
        refused(
            r#"{"pods": [{"address": "10.0.0.7:80", "deployment": "a/b/c"}]}"#,
            "pods[0].deployment: invalid value: string \"a/b/c\", expected a deployment",
        );
        refused(
            r#"{"pods": [{"address": "10.0.0.7:80", "deployment": "a", "models": []}]}"#,
            "pods[0].models: invalid value: sequence, expected at least one string",
        );
        refused(
            r#"{"pods": [{"address": "10.0.0.7:80", "deployment": "a", "models": ["m", "n", "m"]}]}"#,
            "pods[0].models: invalid value: string \"m\", expected each string to stand here once",
        );
    }

    proptest! {
        #[test]
        fn what_a_server_lists_is_refused_as_if_it_was_read(ip in any::<std::net::IpAddr>(), port in 0_u16..3) {
            let pod = |address| PodSpec { address, deployment: "a".parse().unwrap(), models: vec![] };
            let pods = [pod("10.0.0.7:80".parse().unwrap()), pod((ip, port).into())];
            let text = serde_json::to_vec(&PodDocument { pods: pods.to_vec() }).unwrap();
            let listed = PodDocument::listed(pods, vec![]).map(|fetched| fetched.document);
            prop_assert_eq!(listed, PodDocument::read(&text));
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in any::<Vec<u8>>()) {
            let _ = PodDocument::read(&bytes);
        }
    }
}
