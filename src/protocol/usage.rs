//! Token counts as model servers report them.

use super::scan::{Key, Value};

/// Above this a count is a defect of the server, not a length: no model has a context of 16 million
/// tokens.
const PLAUSIBLE_TOKENS_MAX: f64 = (1 << 24) as f64;

/// Tokens that a response cost, as far as the server said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, whether they came from a cache or not.
    pub prompt_tokens: Option<u32>,
    /// Tokens that were generated, all choices together unless `is_of_one`.
    pub completion_tokens: Option<u32>,
    /// Tokens of the prompt that came from a cache.
    pub cached_tokens: Option<u32>,
    /// All this is of one answer, however many there are: llama-server tells `timings` and `usage`
    /// of one of them, and of an array of answers each tells its own.
    pub is_of_one: bool,
}

/// The counts that were told, each by its name: a stream may tell them in different events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// OpenAI's, and vLLM's and SGLang's: with what came from a cache.
    prompt: Option<u32>,
    completion: Option<u32>,
    total: Option<u32>,
    cached: Option<u32>,
    /// Of Anthropic's messages: without what came from a cache or went into it. Of OpenAI's
    /// responses: with it.
    input: Option<u32>,
    cache_read: Option<u32>,
    cache_creation: Option<u32>,
    /// llama-server's `timings`: without what came from a cache; always of one answer.
    prompt_n: Option<u32>,
    cache_n: Option<u32>,
    predicted_n: Option<u32>,
}

// === impl Usage ===

impl Usage {
    /// Tokens that were generated in all `answers` together, where the server told any.
    pub fn generated(&self, answers: u32) -> Option<u32> {
        let told = self.completion_tokens.filter(|tokens| *tokens > 0)?;
        Some(if self.is_of_one { told.saturating_mul(answers.max(1)) } else { told })
    }

    /// Tokens of the prompts of all `answers`; `None` where the server tells those of one answer,
    /// of which the others may have had prompts of their own.
    pub fn prompts(&self, answers: u32) -> Option<u32> {
        self.prompt_tokens.filter(|_| !self.is_of_one || answers <= 1)
    }
}

// === impl Counts ===

impl Counts {
    /// Takes a count from within an object that tells usage; `path` begins there. What is told
    /// later replaces what was told before; implausible counts are as if they were not there.
    pub(super) fn take(&mut self, path: &[Key], value: Value<'_>) {
        let slot = match path {
            [Key::PromptTokens] => &mut self.prompt,
            [Key::CompletionTokens | Key::OutputTokens | Key::GeneratedTokens] => &mut self.completion,
            [Key::PredictedN] => &mut self.predicted_n,
            [Key::TotalTokens] => &mut self.total,
            [Key::InputTokens] => &mut self.input,
            [Key::CacheReadInputTokens] => &mut self.cache_read,
            [Key::CacheCreationInputTokens] => &mut self.cache_creation,
            [Key::PromptN] => &mut self.prompt_n,
            [Key::CacheN] => &mut self.cache_n,
            // The second is DeepSeek's, the third SGLang's.
            [Key::PromptTokensDetails | Key::InputTokensDetails, Key::CachedTokens]
            | [Key::PromptCacheHitTokens | Key::CachedTokens] => &mut self.cached,
            _ => return,
        };
        let count = plausible(value);
        // Several places tell the output, some of them zero, and it only grows.
        let grows =
            matches!(path, [Key::CompletionTokens | Key::OutputTokens | Key::PredictedN | Key::GeneratedTokens]);
        *slot = if grows { count.max(*slot) } else { count.or(*slot) };
    }

    /// Both together; what `later` tells replaces what `self` tells, but for the output, which only
    /// grows.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            prompt: later.prompt.or(self.prompt),
            completion: later.completion.max(self.completion),
            total: later.total.or(self.total),
            cached: later.cached.or(self.cached),
            input: later.input.or(self.input),
            cache_read: later.cache_read.or(self.cache_read),
            cache_creation: later.cache_creation.or(self.cache_creation),
            prompt_n: later.prompt_n.or(self.prompt_n),
            cache_n: later.cache_n.or(self.cache_n),
            predicted_n: later.predicted_n.max(self.predicted_n),
        }
    }

    /// Returns the usage that the counts make together. No prompt has no tokens, so zero says
    /// nothing of it; a half that is missing follows from the sum.
    pub(super) fn usage(self) -> Usage {
        let apart = self.cache_read.unwrap_or(0) + self.cache_creation.unwrap_or(0);
        let by_timings = self.prompt_n.map(|tokens| tokens + self.cache_n.unwrap_or(0));
        let told = [self.prompt, self.input.map(|tokens| tokens + apart), by_timings];
        let prompt_tokens = told.into_iter().flatten().find(|tokens| *tokens > 0);
        let of_total = |other: Option<u32>| self.total?.checked_sub(other.unwrap_or(0)).filter(|tokens| *tokens > 0);
        let completion_tokens = self.completion.max(self.predicted_n).filter(|tokens| *tokens > 0);
        let prompt_tokens = prompt_tokens.or_else(|| of_total(completion_tokens));
        Usage {
            prompt_tokens,
            completion_tokens: completion_tokens
                .or_else(|| prompt_tokens.and_then(|tokens| of_total(Some(tokens))))
                .or(self.completion.max(self.predicted_n)),
            cached_tokens: self.cached.or(self.cache_read).or(self.cache_n).zip(prompt_tokens).map(|(a, b)| a.min(b)),
            // A server that told the sum of all would tell more.
            is_of_one: self.predicted_n.is_some_and(|of_one| self.completion.is_none_or(|told| told <= of_one)),
        }
    }

    /// Tokens generated so far, where the server says so along the way.
    pub(super) fn completion_tokens(self) -> u32 {
        self.completion.max(self.predicted_n).unwrap_or(0)
    }
}

/// A count of tokens, unless it cannot be one.
fn plausible(value: Value<'_>) -> Option<u32> {
    let Value::Word(_) = value else { return None };
    value.number().filter(|tokens| (0.0..=PLAUSIBLE_TOKENS_MAX).contains(tokens)).map(|tokens| tokens as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::scan::{ScanSink, Scanner};

    /// Counts that stand at the top of a document.
    struct Top(Counts);

    impl ScanSink for Top {
        fn open(&mut self, _: &[Key], _: bool) -> bool {
            true
        }
        fn scalar(&mut self, path: &[Key], value: Value<'_>) {
            self.0.take(path, value);
        }
    }

    fn usage(json: &str) -> Usage {
        let (mut scanner, mut top) = (Scanner::default(), Top(Counts::default()));
        scanner.feed(json.as_bytes(), &mut top);
        top.0.usage()
    }

    #[test]
    fn every_dialect_is_read_and_nonsense_is_dropped() {
        for (json, prompt, completion) in [
            (r#"{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}"#, Some(7), Some(3)),
            (
                r#"{"input_tokens": 7, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 5}}"#,
                Some(7),
                Some(3),
            ),
            (
                r#"{"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 3}"#,
                Some(127),
                Some(3),
            ),
            (r#"{"prompt_n": 7, "cache_n": 100, "predicted_n": 3, "predicted_ms": 12.5}"#, Some(107), Some(3)),
            (r#"{"prompt_tokens": 7, "total_tokens": 7}"#, Some(7), None),
            (r#"{"total_tokens": 7}"#, Some(7), None),
            (r#"{"prompt_tokens": 7, "total_tokens": 10}"#, Some(7), Some(3)),
            (r#"{"completion_tokens": 3, "total_tokens": 10}"#, Some(7), Some(3)),
            (r#"{"completion_tokens": 10, "total_tokens": 10}"#, None, Some(10)),
            (r#"{"prompt_tokens": 0, "completion_tokens": 3}"#, None, Some(3)),
            (r#"{"prompt_tokens": 7, "completion_tokens": 0, "predicted_n": 3}"#, Some(7), Some(3)),
            (r#"{"prompt_tokens": 7.0, "completion_tokens": null}"#, Some(7), None),
            (r#"{"prompt_tokens": 16777216, "completion_tokens": 16777217}"#, Some(16_777_216), None),
            (r#"{"prompt_tokens": 1e300, "completion_tokens": 3}"#, None, Some(3)),
            (r#"{"prompt_tokens": -1, "completion_tokens": 3}"#, None, Some(3)),
            (r#"{"prompt_tokens": "7"}"#, None, None),
            (r#"{"prompt_tokens": 7, "prompt_tokens": 8}"#, Some(8), None),
            ("null", None, None),
            ("[1]", None, None),
        ] {
            let usage = usage(json);
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (prompt, completion), "{json}");
        }
    }

    /// As llama-server answers two choices of 24 tokens, plain and streamed.
    #[test]
    fn what_timings_tell_is_of_one_answer() {
        for (json, prompts, generated) in [
            (r#"{"completion_tokens": 24, "prompt_tokens": 32, "prompt_n": 32, "predicted_n": 24}"#, None, Some(48)),
            (r#"{"prompt_n": 32, "cache_n": 0, "predicted_n": 24}"#, None, Some(48)),
            (r#"{"completion_tokens": 48, "prompt_tokens": 32, "predicted_n": 24}"#, Some(32), Some(48)),
            (r#"{"completion_tokens": 48, "prompt_tokens": 32}"#, Some(32), Some(48)),
            (r#"{"completion_tokens": 0, "prompt_tokens": 32, "predicted_n": 0}"#, None, None),
        ] {
            let usage = usage(json);
            assert_eq!((usage.prompts(2), usage.generated(2)), (prompts, generated), "{json}");
        }
        let alone = usage(r#"{"prompt_n": 32, "predicted_n": 24}"#);
        assert_eq!((alone.prompts(1), alone.generated(1)), (Some(32), Some(24)));
    }

    #[test]
    fn tokens_from_a_cache_are_told_in_every_dialect() {
        for (json, expected) in [
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 64}}"#, Some(64)),
            (r#"{"input_tokens": 70, "input_tokens_details": {"cached_tokens": 64}}"#, Some(64)),
            (r#"{"input_tokens": 6, "cache_read_input_tokens": 64, "cache_creation_input_tokens": null}"#, Some(64)),
            (r#"{"prompt_tokens": 70, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 6}"#, Some(64)),
            (r#"{"prompt_tokens": 70, "cached_tokens": 64}"#, Some(64)),
            (r#"{"prompt_n": 6, "cache_n": 64}"#, Some(64)),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"cached_tokens": 0}}"#, Some(0)),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"cached_tokens": 99}}"#, Some(70)),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": {"cached_tokens": null}}"#, None),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": null}"#, None),
            (r#"{"prompt_tokens": 70, "prompt_tokens_details": [64]}"#, None),
            (r#"{"input_tokens": 70, "cache_read_input_tokens": null}"#, None),
            (r#"{"prompt_tokens": 70}"#, None),
        ] {
            let usage = usage(json);
            assert_eq!((usage.prompt_tokens, usage.cached_tokens), (Some(70), expected), "{json}");
        }
    }
}
