//! Query for the pods of a service, of an inference pool or with given labels.

use std::fmt;

use crate::json::text::Rule;

/// The port of AIBrix's pods that have no label for it.
const DEFAULT_PORT: u16 = 8000;

/// Pods of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    pub(super) namespace: String,
    pub(super) by: By,
    /// The label that names a pod's deployment, before its owner does.
    pub(super) deployment_label: Option<String>,
    /// The names that all serve, instead of the one in their label.
    pub(super) models: Vec<String>,
}

/// Criterion by which they are selected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    /// They are behind this service; of its ports the one of this name is meant.
    Service { name: String, port_name: Option<String> },
    /// They are of this inference pool.
    InferencePool { name: String },
    /// They have these labels; the port is that of their label, else this.
    Selector { selector: String, port: u16 },
}

/// As it is written.
pub(super) struct QueryDocument {
    pub(super) namespace: String,
    pub(super) service: Option<String>,
    pub(super) port_name: Option<String>,
    pub(super) inference_pool: Option<String>,
    pub(super) selector: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) deployment_label: Option<String>,
    pub(super) models: Vec<String>,
}

/// Name of an object, as a path of the API may hold it.
pub(in crate::sources) struct ObjectName;

/// The key of a label.
struct LabelKey;

/// A label selector, as `kubectl -l` takes it.
struct Selector;

// === impl Rule ===

impl Rule for ObjectName {
    const EXPECTED: &'static str = "a name of lower-case letters, digits, - and .";

    fn allows(text: &str) -> bool {
        let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        (1..=253).contains(&text.len())
            && text.bytes().all(part)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    }
}

impl Rule for LabelKey {
    const EXPECTED: &'static str = "a label, such as app.kubernetes.io/name";

    fn allows(text: &str) -> bool {
        let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
        (1..=317).contains(&text.len()) && text.bytes().all(part)
    }
}

impl Rule for Selector {
    const EXPECTED: &'static str = "a label selector, such as app=llama";

    fn allows(text: &str) -> bool {
        (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    }
}

// === impl Query ===

impl TryFrom<QueryDocument> for Query {
    type Error = String;

    fn try_from(document: QueryDocument) -> Result<Self, String> {
        let QueryDocument { namespace, service, port_name, inference_pool, selector, port, .. } = document;
        check::<ObjectName>("namespace", Some(&namespace))?;
        check::<ObjectName>("service", service.as_ref())?;
        check::<ObjectName>("port_name", port_name.as_ref())?;
        check::<ObjectName>("inference_pool", inference_pool.as_ref())?;
        check::<Selector>("selector", selector.as_ref())?;
        check::<LabelKey>("deployment_label", document.deployment_label.as_ref())?;
        if port == Some(0) {
            return Err("invalid value: `port` 0, expected a port from 1 to 65535".to_owned());
        }
        let by = match (service, inference_pool, selector) {
            (Some(name), None, None) if port.is_none() => By::Service { name, port_name },
            (None, Some(name), None) if port.is_none() && port_name.is_none() => By::InferencePool { name },
            (None, None, Some(selector)) if port_name.is_none() => {
                By::Selector { selector, port: port.unwrap_or(DEFAULT_PORT) }
            }
            _ => {
                let expected = "one of `service` (with `port_name`), `inference_pool` and `selector` (with `port`)";
                return Err(format!("expected {expected}"));
            }
        };
        Ok(Self { namespace, by, deployment_label: document.deployment_label, models: document.models })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = &self.namespace;
        match &self.by {
            By::Service { name, .. } => write!(f, "service {namespace}/{name}"),
            By::InferencePool { name } => write!(f, "inference pool {namespace}/{name}"),
            By::Selector { selector, .. } => write!(f, "pods {selector} in {namespace}"),
        }
    }
}

fn check<R: Rule>(field: &str, text: Option<&String>) -> Result<(), String> {
    match text.filter(|text| !R::allows(text)) {
        Some(text) => Err(format!("invalid value: `{field}` {text:?}, expected {}", R::EXPECTED)),
        None => Ok(()),
    }
}
