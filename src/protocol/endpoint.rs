//! API that a request speaks, recognized by its path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// An inference API, by the shape of its request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// OpenAI's `/v1/chat/completions`.
    ChatCompletions,
    /// OpenAI's legacy `/v1/completions`.
    Completions,
    /// OpenAI's `/v1/embeddings`. It generates no output.
    Embeddings,
    /// Rerankers, scorers, classifiers and pooling models: `/rerank`, `/score`, `/classify`,
    /// `/pooling` and their like. They generate no output.
    Pooling,
    /// OpenAI's `/v1/responses`.
    Responses,
    /// Anthropic's `/v1/messages`.
    Messages,
    /// A configured path that ends like none of the above: every field that any of them has is
    /// read, none is judged.
    Any,
}

/// The configured paths that are scheduled, each with the API that it speaks.
#[derive(Clone, Debug, Default)]
pub struct EndpointPaths(Vec<(String, Endpoint)>);

// === impl Endpoint ===

impl Endpoint {
    /// Returns `true` if its answers are generated, token by token.
    pub fn has_output(self) -> bool {
        !matches!(self, Self::Embeddings | Self::Pooling)
    }

    /// The API of a configured path, told by how the path ends: `/openai/v1/chat/completions` is
    /// chat.
    pub fn of_configured(path: &str) -> Self {
        // Chat comes first: its path ends in `/completions` too.
        const ENDINGS: [(&str, Endpoint); 12] = [
            ("/chat/completions", Endpoint::ChatCompletions),
            ("/completions", Endpoint::Completions),
            ("/embeddings", Endpoint::Embeddings),
            ("/embedding", Endpoint::Pooling),
            ("/embed", Endpoint::Pooling),
            ("/encode", Endpoint::Pooling),
            ("/rerank", Endpoint::Pooling),
            ("/score", Endpoint::Pooling),
            ("/classify", Endpoint::Pooling),
            ("/pooling", Endpoint::Pooling),
            ("/responses", Endpoint::Responses),
            ("/messages", Endpoint::Messages),
        ];
        let path = &*bare(path);
        ENDINGS.iter().find(|(ending, _)| path.ends_with(ending)).map_or(Self::Any, |&(_, endpoint)| endpoint)
    }
}

// === impl EndpointPaths ===

impl EndpointPaths {
    /// Of the configured paths. A trailing slash or a query in them means nothing.
    pub fn new<P: AsRef<str>>(configured: impl IntoIterator<Item = P>) -> Self {
        let entry = |path: P| (bare(path.as_ref()).into_owned(), Endpoint::of_configured(path.as_ref()));
        Self(configured.into_iter().map(entry).collect())
    }

    /// The API behind a request's path, whatever its query string, its trailing slash, its escapes
    /// and what stands before it; `None` where the path does not end in one of those configured.
    pub fn endpoint_of(&self, request_path: &str) -> Option<Endpoint> {
        let path = &*bare(request_path);
        // Azure's paths name a deployment where others have a version.
        let of_azure = deployment_in(path).and_then(|(_, rest)| {
            self.0
                .iter()
                .filter(|(configured, _)| configured.ends_with(rest))
                .min_by_key(|(configured, _)| configured.len())
        });
        let ending = || {
            self.0
                .iter()
                .filter(|(configured, _)| path.ends_with(configured.as_str()))
                .max_by_key(|(configured, _)| configured.len())
        };
        of_azure.or_else(ending).map(|&(_, endpoint)| endpoint)
    }

    /// The deployment that a path of Azure's names, which stands for a model.
    pub fn deployment_of(request_path: &str) -> Option<String> {
        deployment_in(&bare(request_path)).map(|(deployment, _)| deployment.to_owned())
    }
}

/// A path without its query string and trailing slashes, as a model server reads it: unescaped,
/// once. Envoy's `path_with_escaped_slashes_action` unescapes slashes alone, and not everywhere.
fn bare(path: &str) -> Cow<'_, str> {
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    if !path.contains(['%', '\\']) {
        return Cow::Borrowed(path.trim_end_matches('/'));
    }
    let unescaped = percent_decode_str(path).decode_utf8_lossy().replace('\\', "/");
    Cow::Owned(unescaped.trim_end_matches('/').to_owned())
}

/// The deployment in a path of Azure's, and what follows it, such as `/chat/completions`.
fn deployment_in(path: &str) -> Option<(&str, &str)> {
    let (_, rest) = path.split_once("/openai/deployments/")?;
    let slash = rest.find('/')?;
    rest.split_at_checked(slash).filter(|(deployment, _)| !deployment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_path_is_known_by_its_ending() {
        for (path, endpoint) in [
            ("/v1/chat/completions", Endpoint::ChatCompletions),
            ("/openai/v1/chat/completions", Endpoint::ChatCompletions),
            ("/v1/completions", Endpoint::Completions),
            ("/v1/embeddings/", Endpoint::Embeddings),
            ("/v1/responses", Endpoint::Responses),
            ("/anthropic/v1/messages", Endpoint::Messages),
            ("/v1/messages/count_tokens", Endpoint::Any),
            ("/v1/incompletions", Endpoint::Any),
            ("/generate", Endpoint::Any),
        ] {
            assert_eq!(Endpoint::of_configured(path), endpoint, "{path}");
        }
    }

    #[test]
    fn a_request_path_matches_whatever_its_query_and_trailing_slash() {
        let paths = EndpointPaths::new(["/v1/chat/completions", "/custom/", "/v1/completions"]);
        for (path, endpoint) in [
            ("/v1/chat/completions", Some(Endpoint::ChatCompletions)),
            ("/v1/chat/completions/", Some(Endpoint::ChatCompletions)),
            ("/v1/chat/completions?api-version=2024-10-21&x=/v1/completions", Some(Endpoint::ChatCompletions)),
            ("/v1/chat/completions/?", Some(Endpoint::ChatCompletions)),
            ("/v1/completions", Some(Endpoint::Completions)),
            ("/v1/chat%2Fcompletions", Some(Endpoint::ChatCompletions)),
            ("/v1%2fchat%2fcompletions/?x=%2F", Some(Endpoint::ChatCompletions)),
            ("%2Fv1/chat/completions%2F", Some(Endpoint::ChatCompletions)),
            ("/v1/chat%5Ccompletions", Some(Endpoint::ChatCompletions)),
            ("/v1/%63hat/completion%73", Some(Endpoint::ChatCompletions)),
            ("/v1/chat%252Fcompletions", None),
            ("/v1/chat/completions%FF", None),
            ("/v1/chat/completions%", None),
            ("/custom", Some(Endpoint::Any)),
            ("/other/v1/chat/completions", Some(Endpoint::ChatCompletions)),
            ("/otherv1/chat/completions", None),
            ("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", Some(Endpoint::ChatCompletions)),
            ("/openai/deployments/gpt-4o/completions", Some(Endpoint::Completions)),
            ("/openai/deployments/gpt-4o/embeddings", None),
            ("/openai/deployments//chat/completions", None),
            ("/openai/deployments/gpt-4o", None),
            ("/v1/chat/completions/extra", None),
            ("/v1/models", None),
            ("", None),
        ] {
            assert_eq!(paths.endpoint_of(path), endpoint, "{path}");
        }
    }
}
