//! Reading of a request's headers: pass it, schedule it, or refuse it.

use std::borrow::Cow;

use super::headers::Headers;
use crate::config::{Class, Config, Inspect};
use crate::protocol::headers::{MODEL, ROUTING_STRATEGY};
use crate::protocol::{Endpoint, EndpointPaths, NamingBody, Refusal, slo_from_headers};
use crate::scheduling::policies::PolicyName;
use crate::scheduling::slo::Slo;
use crate::scheduling::subset::Subset;

/// The longest name of a session that counts.
const LONGEST_SESSION: usize = 256;

/// Course of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Intent {
    /// It is not for this filter: it goes on by the fallback policy.
    Pass(Passing),
    /// It asks whether the filter is ready.
    Ready,
    /// It is scheduled.
    Schedule(Box<Wish>),
    /// It is answered here, as the API that it speaks has it.
    Refuse(Refusal, Endpoint),
}

/// Facts in the headers of a request that is scheduled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// API that it speaks, by which its body is read.
    pub endpoint: Endpoint,
    /// The policy that it asks for, or the default.
    pub policy: PolicyName,
    /// The objective in its headers.
    pub slo: Option<Slo>,
    /// The model in its headers, which counts only where the body is not read.
    pub model: Option<String>,
    /// The model in its path, which counts where neither body nor header names one.
    pub path_model: Option<String>,
    /// Bytes of its body, where they are announced.
    pub bytes: Option<u64>,
    /// Compression of its body, if there is any.
    pub encoding: Option<String>,
    /// `true` where its body can be read and is to be.
    pub read_body: bool,
    /// The form of its body, where it is one.
    pub form: Option<NamingBody>,
    /// The pods that it may go to; `None` for all.
    pub subset: Option<Subset>,
    /// The session that its header names.
    pub session: Option<String>,
    /// The classes whose header it carries, or that ask for none, by position.
    pub classes: Vec<usize>,
}

/// Sources of the model of a request that is not scheduled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Passing {
    /// Its header.
    pub model: Option<String>,
    /// Its body, where that may be read.
    pub body: Option<NamingBody>,
}

// === impl Intent ===

impl Intent {
    /// Judges a request by its headers.
    pub(super) fn of(headers: &Headers, config: &Config, paths: &EndpointPaths) -> Self {
        let (method, path) = (headers.get(":method"), headers.get(":path"));
        let is_post = method.as_deref() == Some("POST");
        let asks = matches!(method.as_deref(), Some("GET" | "HEAD"));
        if asks && config.ready_path.is_some() && path.as_deref().map(without_query) == config.ready_path.as_deref() {
            return Self::Ready;
        }
        let endpoint = path.and_then(|path| paths.endpoint_of(&path));
        match endpoint {
            Some(endpoint) if is_post && headers.get("upgrade").is_none() => {
                match Wish::of(headers, config, endpoint) {
                    Ok(wish) => Self::Schedule(Box::new(wish)),
                    Err(refusal) => Self::Refuse(refusal, endpoint),
                }
            }
            _ => Self::Pass(Passing::of(headers, config)),
        }
    }
}

// === impl Passing ===

impl Passing {
    fn of(headers: &Headers, config: &Config) -> Self {
        let model = model_of(headers);
        let may_read = model.is_none()
            && config.request.inspect == Inspect::Body
            && headers.get(":method").as_deref() == Some("POST")
            && headers.get("upgrade").is_none()
            && encoding_of(headers).is_none();
        let kind = headers.get("content-type").filter(|_| may_read);
        Self { model, body: kind.and_then(|kind| NamingBody::of(&kind)) }
    }
}

// === impl Wish ===

impl Wish {
    fn of(headers: &Headers, config: &Config, endpoint: Endpoint) -> Result<Self, Refusal> {
        let policy = match headers.get(ROUTING_STRATEGY) {
            None => config.policy,
            Some(name) => allowed(&name, config)?,
        };
        let slo = if config.slo.allow_headers {
            slo_from_headers(|name| headers.get(name).map(Cow::into_owned)).map_err(Refusal::SloHeaderMalformed)?
        } else {
            None
        };
        let encoding = encoding_of(headers);
        let carries = |class: &Class| {
            class
                .header
                .as_ref()
                .is_none_or(|header| headers.get(&header.name).as_deref() == Some(header.value.as_str()))
        };
        // Servers that read JSON do not mind what it is called; only a path of which it is not
        // known what it takes may take a form.
        let kind = headers.get("content-type").filter(|_| endpoint == Endpoint::Any);
        let classes = config.classes.iter().enumerate().filter(|(_, class)| carries(class));
        Ok(Self {
            endpoint,
            policy,
            slo,
            model: model_of(headers),
            path_model: headers.get(":path").and_then(|path| EndpointPaths::deployment_of(&path)),
            bytes: headers.get("content-length").and_then(|length| length.trim().parse().ok()),
            subset: None,
            read_body: encoding.is_none() && config.request.inspect == Inspect::Body,
            encoding,
            form: kind.and_then(|kind| NamingBody::of_form(&kind)),
            session: session_of(headers, config),
            classes: classes.map(|(position, _)| position).collect(),
        })
    }
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _query)| path)
}

/// The session that a header names, where the configuration says which one does.
fn session_of(headers: &Headers, config: &Config) -> Option<String> {
    let session = headers.get(config.request.session_header.as_ref()?)?;
    (1..=LONGEST_SESSION).contains(&session.len()).then(|| session.into_owned())
}

/// The model that a header names.
fn model_of(headers: &Headers) -> Option<String> {
    headers.get(MODEL).filter(|name| !name.is_empty()).map(Cow::into_owned)
}

/// Returns the compression of the body, if there is any.
fn encoding_of(headers: &Headers) -> Option<String> {
    let encoding = headers.get("content-encoding")?;
    let encoding = encoding.trim();
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")).then(|| encoding.to_owned())
}

fn allowed(name: &str, config: &Config) -> Result<PolicyName, Refusal> {
    let Ok(policy) = name.parse::<PolicyName>() else {
        return Err(Refusal::StrategyUnknown { strategy: name.to_owned() });
    };
    if config.allowed_strategies.contains(&policy) || policy == config.policy {
        return Ok(policy);
    }
    let allowed = config.allowed_strategies.iter().map(ToString::to_string).collect();
    Err(Refusal::StrategyNotAllowed { strategy: name.to_owned(), allowed })
}
