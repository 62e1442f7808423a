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
    /// Tokens of the prompt that came from a cache; `None` where the server does not say.
    pub cached_tokens: Option<u32>,
}

/// The parts of a [`Usage`] that one JSON object tells; a stream may tell them in different events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UsageParts {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    cached_tokens: Option<u32>,
}

/// The tokens that came from a cache, in OpenAI's `prompt_tokens_details` or `input_tokens_details`.
#[derive(Default)]
struct Details(Option<u32>);

// === impl UsageParts ===

impl UsageParts {
    /// Both together; what `later` tells replaces what `self` tells.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            prompt_tokens: later.prompt_tokens.or(self.prompt_tokens),
            completion_tokens: later.completion_tokens.or(self.completion_tokens),
            cached_tokens: later.cached_tokens.or(self.cached_tokens),
        }
    }

    /// The whole, once the prompt's tokens are known: embeddings tell no others.
    pub(super) fn usage(self) -> Option<Usage> {
        let completion_tokens = self.completion_tokens.unwrap_or(0);
        let of_prompt = |prompt_tokens| Usage {
            prompt_tokens,
            completion_tokens,
            cached_tokens: self.cached_tokens.map(|cached| cached.min(prompt_tokens)),
        };
        self.prompt_tokens.map(of_prompt)
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
            PromptTokens,
            InputTokens,
            #[serde(alias = "output_tokens")]
            CompletionTokens,
            // Anthropic counts what its cache served apart from `input_tokens`; OpenAI counts it in.
            CacheReadInputTokens,
            CacheCreationInputTokens,
            #[serde(alias = "input_tokens_details")]
            PromptTokensDetails,
            // DeepSeek's.
            PromptCacheHitTokens,
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
                let (mut prompt, mut input, mut completion) = (None, None, None);
                let (mut cached, mut cache_read, mut cache_creation) = (None, None, None);
                while let Some(field) = map.next_key()? {
                    if let Field::PromptTokensDetails = field {
                        cached = map.next_value::<Details>()?.0.or(cached);
                        continue;
                    }
                    let tokens = plausible(&map.next_value::<Scalar<'de>>()?);
                    match field {
                        Field::PromptTokens => prompt = tokens,
                        Field::InputTokens => input = tokens,
                        Field::CompletionTokens => completion = tokens,
                        Field::CacheReadInputTokens => cache_read = tokens,
                        Field::CacheCreationInputTokens => cache_creation = tokens,
                        Field::PromptCacheHitTokens => cached = tokens.or(cached),
                        Field::PromptTokensDetails | Field::Other => {}
                    }
                }
                let apart = cache_read.unwrap_or(0) + cache_creation.unwrap_or(0);
                Ok(UsageParts {
                    prompt_tokens: prompt.or(input.map(|tokens| tokens + apart)),
                    completion_tokens: completion,
                    cached_tokens: cached.or(cache_read),
                })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            CachedTokens,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Details;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("details of a prompt's tokens")
            }
            skip!(null, boolean, number, string, array);
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut cached = None;
                while let Some(field) = map.next_key()? {
                    let value = map.next_value::<Scalar<'de>>()?;
                    if let Field::CachedTokens = field {
                        cached = plausible(&value);
                    }
                }
                Ok(Details(cached))
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
            let usage = serde_json::from_str::<UsageParts>(json).unwrap().usage();
            assert_eq!(usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens)), expected, "{json}");
        }
    }

    #[test]
    fn tokens_from_a_cache_are_told_in_every_dialect() {
        for (json, expected) in [
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 64}}"#, Some(64)),
            (r#"{"input_tokens": 70, "input_tokens_details": {"cached_tokens": 64}}"#, Some(64)),
            (r#"{"input_tokens": 6, "cache_read_input_tokens": 64, "cache_creation_input_tokens": null}"#, Some(64)),
            (r#"{"prompt_tokens": 70, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 6}"#, Some(64)),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"cached_tokens": 0}}"#, Some(0)),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"cached_tokens": 99}}"#, Some(70)),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"cached_tokens": null}}"#, None),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": null}"#, None),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": [64]}"#, None),
            (r#"{"input_tokens": 70, "cache_read_input_tokens": null}"#, None),
            (r#"{"prompt_tokens": 70}"#, None),
        ] {
            let usage = serde_json::from_str::<UsageParts>(json).unwrap().usage().unwrap();
            assert_eq!((usage.prompt_tokens, usage.cached_tokens), (70, expected), "{json}");
        }
    }
}
