//! Reading a request's body never panics, and what it yields is within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slo_router::protocol::{Ask, CHOICES_MAX, Endpoint};

fuzz_target!(|body: &[u8]| {
    for endpoint in [
        Endpoint::ChatCompletions,
        Endpoint::Completions,
        Endpoint::Embeddings,
        Endpoint::Responses,
        Endpoint::Messages,
        Endpoint::Any,
    ] {
        if let Ok(ask) = Ask::read(endpoint, body, None) {
            assert!((1..=CHOICES_MAX).contains(&ask.choices));
            assert!(ask.prompt.characters <= body.len() as u64);
            assert_ne!(ask.max_output_tokens, Some(0));
        }
    }
});
