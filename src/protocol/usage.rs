//! Token counts as model servers report them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::json::{Scalar, skip};

/// Above this a count is a defect of the server, not a length: no model has a context of 16 million tokens.
const PLAUSIBLE_TOKENS_MAX: f64 = (1 << 24) as f64;

/// What a response cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, whether they came from a cache or not.
    pub prompt_tokens: u32,
    /// Tokens that were generated, all choices together; zero for embeddings.
    pub completion_tokens: u32,
}

/// The parts of a [`Usage`] that one JSON object tells; a stream may tell them in different events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UsageParts {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
}

// === impl UsageParts ===

impl UsageParts {
    /// Both together; what `later` tells replaces what `self` tells.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            prompt_tokens: later.prompt_tokens.or(self.prompt_tokens),
            completion_tokens: later.completion_tokens.or(self.completion_tokens),
        }
    }

    /// The whole, once the prompt's tokens are known: embeddings tell no others.
    pub(super) fn usage(self) -> Option<Usage> {
        let completion_tokens = self.completion_tokens.unwrap_or(0);
        self.prompt_tokens.map(|prompt_tokens| Usage { prompt_tokens, completion_tokens })
    }

    /// Tokens generated so far, where the server says so along the way.
    pub(super) fn completion_tokens(self) -> Option<u32> {
        self.completion_tokens
    }
}

/// Lenient: values of other types, other fields and implausible counts are as if they were not there.
impl<'de> Deserialize<'de> for UsageParts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            #[serde(alias = "input_tokens")]
            PromptTokens,
            #[serde(alias = "output_tokens")]
            CompletionTokens,
            // Anthropic counts what its cache served apart from `input_tokens`; OpenAI counts it in.
            CacheReadInputTokens,
            CacheCreationInputTokens,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = UsageParts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("token counts")
            }
            skip!(null, boolean, number, string, array);
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut prompt, mut completion, mut cache_read, mut cache_creation) = (None, None, None, None);
                while let Some(field) = map.next_key()? {
                    let value = map.next_value::<Scalar<'de>>()?;
                    match field {
                        Field::PromptTokens => prompt = plausible(&value),
                        Field::CompletionTokens => completion = plausible(&value),
                        Field::CacheReadInputTokens => cache_read = plausible(&value),
                        Field::CacheCreationInputTokens => cache_creation = plausible(&value),
                        Field::Other => {}
                    }
                }
                let cached = cache_read.unwrap_or(0) + cache_creation.unwrap_or(0);
                Ok(UsageParts { prompt_tokens: prompt.map(|tokens| tokens + cached), completion_tokens: completion })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A count of tokens, unless it cannot be one.
fn plausible(value: &Scalar<'_>) -> Option<u32> {
    match value {
        Scalar::Number(tokens) if (0.0..=PLAUSIBLE_TOKENS_MAX).contains(tokens) => Some(*tokens as u32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_read_and_nonsense_is_dropped() {
        for (json, expected) in [
            (r#"{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}"#, Some((7, 3))),
            (r#"{"input_tokens": 7, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 5}}"#, Some((7, 3))),
            (
                r#"{"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 3}"#,
                Some((127, 3)),
            ),
            (r#"{"prompt_tokens": 7, "total_tokens": 7}"#, Some((7, 0))),
            (r#"{"prompt_tokens": 7.0, "completion_tokens": null}"#, Some((7, 0))),
            (r#"{"prompt_tokens": 16777216, "completion_tokens": 16777217}"#, Some((16_777_216, 0))),
            (r#"{"prompt_tokens": 1e300, "completion_tokens": 3}"#, None),
            (r#"{"prompt_tokens": -1, "completion_tokens": 3}"#, None),
            (r#"{"prompt_tokens": "7"}"#, None),
            (r#"{"prompt_tokens": 7, "prompt_tokens": 8}"#, Some((8, 0))),
            ("null", None),
            ("[1]", None),
            (r#""usage""#, None),
        ] {
            let expected =
                expected.map(|(prompt_tokens, completion_tokens)| Usage { prompt_tokens, completion_tokens });
            assert_eq!(serde_json::from_str::<UsageParts>(json).unwrap().usage(), expected, "{json}");
        }
    }
}
