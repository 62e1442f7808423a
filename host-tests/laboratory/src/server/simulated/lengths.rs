//! Number of tokens of a prompt, and of its answer.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::Distribution;

use crate::lengths::{CHARACTERS_PER_TOKEN, CHAT_OUTPUT};

/// Tokens of the prompt, for a client that knows.
const PROMPT_HEADER: &str = "x-sim-prompt-tokens";
/// Tokens that the model would answer with, if nothing capped them.
pub const OUTPUT_HEADER: &str = "x-sim-output-tokens";

/// From the header, else by the mean characters of a token.
pub(super) fn prompt_tokens(headers: &HeaderMap, characters: usize) -> Result<u32, String> {
    let estimate = || (characters as f64 / CHARACTERS_PER_TOKEN).ceil().max(1.0) as u32;
    Ok(header(headers, PROMPT_HEADER)?.unwrap_or_else(estimate))
}

/// From the header, else drawn as a chat answer is long, always the same for the same body. At least one.
pub(super) fn output_tokens(headers: &HeaderMap, body: &[u8]) -> Result<u32, String> {
    let drawn = || {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        CHAT_OUTPUT.sample(&mut ChaCha8Rng::seed_from_u64(hasher.finish()))
    };
    Ok(header(headers, OUTPUT_HEADER)?.unwrap_or_else(drawn).max(1))
}

fn header(headers: &HeaderMap, name: &str) -> Result<Option<u32>, String> {
    let parse = |value: &HeaderValue| {
        let tokens = value.to_str().ok().and_then(|text| text.parse().ok());
        tokens.ok_or_else(|| format!("{name}: {value:?} is not a number of tokens"))
    };
    headers.get(name).map(parse).transpose()
}
