//! Refusals: local replies to requests that the filter does not pass on.

use std::time::Duration;

use serde::Serialize;

use super::ask::BodyError;
use super::endpoint::Endpoint;
use super::headers::{REASON, ROUTING_STRATEGY};
use super::refusal_cases::{
    BODY_ENCODED, BODY_INVALID, MODEL_MISSING, MODEL_NOT_FOUND, NO_READY_POD, QUEUE_FULL, RefusalCase,
    SLO_HEADER_MALFORMED, SLO_INFEASIBLE, SLO_LATE, STRATEGY_NOT_ALLOWED, STRATEGY_UNKNOWN, WAITED_TOO_LONG,
};
use super::slo_headers::SloHeaderError;

/// Values from outside are quoted up to this many characters.
const QUOTE_CHARACTERS_MAX: usize = 100;

/// Reason why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The `routing-strategy` header names none that exists.
    StrategyUnknown {
        /// The header's value.
        strategy: String,
    },
    /// The `routing-strategy` header names one that the configuration does not allow.
    StrategyNotAllowed {
        /// The header's value.
        strategy: String,
        /// Those that are allowed.
        allowed: Vec<String>,
    },
    /// An SLO header that makes no sense.
    SloHeaderMalformed(SloHeaderError),
    /// A body that cannot be read.
    BodyInvalid(BodyError),
    /// Neither the request nor the configuration names a model.
    ModelMissing,
    /// A body that is compressed, so that the model is not known.
    BodyEncoded {
        /// The header `content-encoding`.
        encoding: String,
    },
    /// A model that the pool does not serve.
    ModelUnknown {
        /// The model's name.
        model: String,
    },
    /// As many requests wait as may.
    QueueFull {
        /// Time until the load ahead will have made room.
        retry_after: Duration,
    },
    /// The request has waited for the longest time that it may.
    WaitedTooLong {
        /// Time that it has waited.
        waited: Duration,
        /// Time until the load ahead will have made room.
        retry_after: Duration,
    },
    /// The request cannot meet its objective any more, and the configuration rejects such requests.
    Late {
        /// Time until the load ahead will have made room.
        retry_after: Duration,
    },
    /// No deployment can meet the request's objective even when idle, and the configuration rejects
    /// such requests.
    Infeasible,
    /// No pod is ready.
    NoReadyPod,
}

/// A local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, and their values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, in the shape of the API's errors.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorObject<'a>,
}

/// An error in Anthropic's shape.
#[derive(Serialize)]
struct AnthropicEnvelope<'a> {
    r#type: &'a str,
    error: AnthropicError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    r#type: &'a str,
    code: &'a str,
    param: Option<&'a str>,
}

// === impl Refusal ===

impl Refusal {
    /// Returns the case that it is.
    pub const fn case(&self) -> &'static RefusalCase {
        match self {
            Self::StrategyUnknown { .. } => &STRATEGY_UNKNOWN,
            Self::StrategyNotAllowed { .. } => &STRATEGY_NOT_ALLOWED,
            Self::SloHeaderMalformed(_) => &SLO_HEADER_MALFORMED,
            Self::BodyInvalid(_) => &BODY_INVALID,
            Self::BodyEncoded { .. } => &BODY_ENCODED,
            Self::ModelMissing => &MODEL_MISSING,
            Self::ModelUnknown { .. } => &MODEL_NOT_FOUND,
            Self::QueueFull { .. } => &QUEUE_FULL,
            Self::WaitedTooLong { .. } => &WAITED_TOO_LONG,
            Self::Late { .. } => &SLO_LATE,
            Self::Infeasible => &SLO_INFEASIBLE,
            Self::NoReadyPod => &NO_READY_POD,
        }
    }

    /// HTTP status.
    pub const fn status(&self) -> u16 {
        self.case().status
    }

    /// The case, for programs: the error's `code` and the header `x-slo-router-reason`.
    pub const fn code(&self) -> &'static str {
        self.case().code
    }

    /// The whole answer, as the API that the request speaks has it: OpenAI's where it is not known.
    pub fn reply(&self, endpoint: Option<Endpoint>) -> Reply {
        let message = self.message();
        let code = self.code();
        let body = if endpoint == Some(Endpoint::Messages) {
            let error = AnthropicError { r#type: self.anthropic_type(), message: &message };
            serde_json::to_vec(&AnthropicEnvelope { r#type: "error", error })
        } else {
            let (r#type, param) = (self.error_type(), self.param());
            serde_json::to_vec(&Envelope { error: ErrorObject { message: &message, r#type, code, param } })
        };
        // Strings are always serializable; were they not, the status and the reason would still
        // tell the case.
        let body = body.unwrap_or_default();
        let mut headers = vec![("content-type", "application/json".to_owned()), (REASON, code.to_owned())];
        if let Some(retry_after) = self.retry_after() {
            headers.push(("retry-after", whole_seconds(retry_after).to_string()));
        }
        Reply { status: self.status(), headers, body }
    }

    fn message(&self) -> String {
        match self {
            Self::StrategyUnknown { strategy } => {
                format!("header routing-strategy: there is no strategy \"{}\"", quoted(strategy))
            }
            Self::StrategyNotAllowed { strategy, allowed } => {
                let allowed = allowed.join(", ");
                format!("header routing-strategy: \"{}\" is not allowed here; allowed: {allowed}", quoted(strategy))
            }
            Self::SloHeaderMalformed(SloHeaderError { header, value, expected }) => {
                format!("header {header}: \"{}\", expected {expected}", quoted(value))
            }
            Self::BodyInvalid(error) => error.to_string(),
            Self::BodyEncoded { encoding } => format!(
                "the request body has the content-encoding \"{}\", which is not read here, and no header names its model: send it \
                 without, or have Envoy decompress it before this filter",
                quoted(encoding)
            ),
            Self::ModelMissing => "the request names no model, and there is no default".to_owned(),
            Self::ModelUnknown { model } => format!("the model \"{}\" is not served here", quoted(model)),
            Self::QueueFull { .. } => "too many requests wait already".to_owned(),
            Self::WaitedTooLong { waited, .. } => {
                format!("no room was found within {:.1} s", waited.as_secs_f64())
            }
            Self::Late { .. } => "the latency objective cannot be met any more".to_owned(),
            Self::Infeasible => "no deployment can meet the latency objective of such a request".to_owned(),
            Self::NoReadyPod => "no pod is ready".to_owned(),
        }
    }

    fn anthropic_type(&self) -> &'static str {
        match self.status() {
            400 => "invalid_request_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            _ => "overloaded_error",
        }
    }

    fn error_type(&self) -> &'static str {
        match self.status() {
            400 | 404 => "invalid_request_error",
            429 => "rate_limit_error",
            _ => "service_unavailable_error",
        }
    }

    /// The field or header that is wrong.
    fn param(&self) -> Option<&'static str> {
        match self {
            Self::StrategyUnknown { .. } | Self::StrategyNotAllowed { .. } => Some(ROUTING_STRATEGY),
            Self::SloHeaderMalformed(error) => Some(error.header),
            Self::BodyInvalid(error) => error.field(),
            Self::BodyEncoded { .. } => Some("content-encoding"),
            Self::ModelMissing | Self::ModelUnknown { .. } => Some("model"),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after } | Self::WaitedTooLong { retry_after, .. } | Self::Late { retry_after } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }
}

/// Rounded up, and 1 at least: 0 would invite an immediate retry.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// A value from outside, short enough for a message. The JSON around it does the escaping.
fn quoted(value: &str) -> String {
    match value.char_indices().nth(QUOTE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;
