//! Reading of requests: which are scheduled, and how their prompts are measured.

use serde::Deserialize;

use crate::json::{JsonError, text};

/// The paths that are scheduled unless the configuration names others.
pub const DEFAULT_PATHS: [&str; 5] =
    ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"];

/// Paths and bodies of requests, and the measure of their prompts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestConfig {
    /// Part of a request that is read.
    pub inspect: Inspect,
    /// A POST on one of these is scheduled.
    #[serde(deserialize_with = "text::list::<text::Path, _>")]
    pub paths: Vec<String>,
    /// Measure of prompts.
    pub prompt_tokens: PromptTokens,
    /// Tokens that each image of a prompt counts, and each sound, film, file and stored
    /// conversation.
    pub image_tokens: u32,
    /// Header that names a session, in lower case: what its requests begin with is in the cache of
    /// the pod that had the last one. It counts where the body is not read.
    #[serde(deserialize_with = "text::optional::<text::HeaderName, _>")]
    pub session_header: Option<String>,
}

/// Part of a request that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inspect {
    /// The body, which is buffered for it.
    #[default]
    Body,
    /// The headers only.
    Headers,
}

/// Measure of prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptTokens {
    /// By their characters, and how many of them a token of the model had so far.
    #[default]
    Estimate,
    /// By a tokenizer; in builds with the feature `exact` only.
    Exact,
}

// === impl RequestConfig ===

impl RequestConfig {
    /// Checks that prompts can be measured as asked, in this build and with the part that is read.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        let expected = match (self.prompt_tokens, self.inspect) {
            (PromptTokens::Estimate, _) => return Ok(()),
            (PromptTokens::Exact, _) if !cfg!(feature = "exact") => {
                "\"estimate\"; this build cannot count tokens, slo_router_exact.wasm can"
            }
            (PromptTokens::Exact, Inspect::Headers) => {
                "\"estimate\"; with `inspect` \"headers\" there is no prompt to count the tokens of"
            }
            (PromptTokens::Exact, Inspect::Body) => return Ok(()),
        };
        Err(JsonError::invalid("request.prompt_tokens", "\"exact\"", expected))
    }
}

impl Default for RequestConfig {
    fn default() -> Self {
        Self {
            inspect: Inspect::default(),
            paths: DEFAULT_PATHS.map(str::to_owned).to_vec(),
            prompt_tokens: PromptTokens::default(),
            image_tokens: 256,
            session_header: None,
        }
    }
}
