mod heads;

use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::endpoint::Endpoint;
use crate::protocol::response_id::ResponseId;
use crate::protocol::tokens::TokenCounter;

fn endpoint(name: &str) -> Endpoint {
    match name {
        "chat" => Endpoint::ChatCompletions,
        "completions" => Endpoint::Completions,
        "embeddings" => Endpoint::Embeddings,
        "pooling" => Endpoint::Pooling,
        "responses" => Endpoint::Responses,
        "messages" => Endpoint::Messages,
        "any" => Endpoint::Any,
        other => panic!("no such endpoint in the table: {other}"),
    }
}

/// Expected result of a table's entry; fields that it does not name are as in an empty request.
fn expected(ask: &Value) -> Ask {
    let number = |name: &str| ask[name].as_u64().map(|number| u32::try_from(number).unwrap());
    Ask {
        model: ask["model"].as_str().map(ToOwned::to_owned),
        prompt: PromptSize {
            characters: ask["characters"].as_u64().unwrap_or(0),
            images: number("images").unwrap_or(0),
            others: number("others").unwrap_or(0),
            messages: number("messages").unwrap_or(0),
            tokens: number("tokens"),
        },
        max_output_tokens: number("max_output_tokens"),
        choices: number("choices").unwrap_or(1),
        answered_choices: number("answered_choices").or(number("choices")).unwrap_or(1),
        stream: ask["stream"].as_bool().unwrap_or(false),
        previous_response: ask["previous_response"].as_str().and_then(|id| ResponseId::of(id.as_bytes())),
        heads: Rc::default(),
    }
}

#[test]
fn every_body_of_the_table_is_read_as_it_says() {
    let table: Vec<Value> = serde_json::from_str(include_str!("../testdata/asks.json")).unwrap();
    let mut failures = Vec::new();
    for case in &table {
        // A string is the body's text itself, for what no JSON value can express.
        let body = case["body"].as_str().map_or_else(|| case["body"].to_string(), ToOwned::to_owned);
        let ask = Ask::read(endpoint(case["endpoint"].as_str().unwrap()), body.as_bytes(), None);
        let name = &case["name"];
        match case["error"].as_str() {
            Some(error) => assert_eq!(ask.map_err(|error| error.to_string()), Err(error.to_owned()), "{name}"),
            None => {
                if ask != Ok(expected(&case["ask"])) {
                    failures.push(format!("{name}: {ask:?}"))
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn bytes_that_are_not_utf8_are_named_by_their_place() {
    let error = Ask::read(Endpoint::ChatCompletions, b"{\"model\":\"\xff\"}", None).unwrap_err();
    assert_eq!(error, BodyError::NotUtf8 { at_byte: 10 });
}

#[test]
fn only_what_is_measured_is_bounded_in_depth() {
    let nested = |field: &str| format!("{{\"{field}\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let error = Ask::read(Endpoint::ChatCompletions, nested("messages").as_bytes(), None).unwrap_err();
    assert!(error.to_string().contains("recursion limit exceeded"), "{error}");
    assert!(Ask::read(Endpoint::ChatCompletions, nested("logit_bias").as_bytes(), None).is_ok());
}

/// One token for every started four characters.
struct Quarters;

impl TokenCounter for Quarters {
    fn tokens_of(&self, text: &str) -> Option<u32> {
        u32::try_from(text.chars().count().div_ceil(4)).ok()
    }
}

/// A tokenizer that could not be built.
struct Broken;

impl TokenCounter for Broken {
    fn tokens_of(&self, _: &str) -> Option<u32> {
        None
    }
}

#[test]
fn a_counter_counts_every_text_by_itself() {
    let body = json!({"messages": [{"content": "abcdé"}, {"content": [{"type": "text", "text": "x"}]}]}).to_string();
    let ask = Ask::read(Endpoint::ChatCompletions, body.as_bytes(), Some(&Quarters)).unwrap();
    assert_eq!(ask.prompt.tokens, Some(3));

    let mixed = json!({"prompt": ["abcde", [7, 8, 9]]}).to_string();
    let ask = Ask::read(Endpoint::Completions, mixed.as_bytes(), Some(&Quarters)).unwrap();
    assert_eq!(ask.prompt.tokens, Some(5));
}

#[test]
fn a_counter_that_cannot_tell_leaves_the_tokens_unknown() {
    let ask = Ask::read(Endpoint::Completions, br#"{"prompt": "abc"}"#, Some(&Broken)).unwrap();
    assert_eq!((ask.prompt.tokens, ask.prompt.characters), (None, 3));
}

const ENDPOINTS: [Endpoint; 7] = [
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Embeddings,
    Endpoint::Pooling,
    Endpoint::Responses,
    Endpoint::Messages,
    Endpoint::Any,
];

/// JSON-like text: real keys with values of every kind, often broken.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\"model\":"),
        Just("\"messages\":["),
        Just("\"content\":"),
        Just("\"type\":\"image\""),
        Just("\"text\":"),
        Just("\"n\":"),
        Just("\"prompt\":"),
        Just("\"input\":"),
        Just("\"a\\u00e9\\ud800\""),
        Just("\"🦀\""),
        Just("-1"),
        Just("1e9"),
        Just("null"),
        Just("true"),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens| format!("{{{}", tokens.concat()))
}

/// Reads a body in pieces: each begins with what was left of the one before.
fn read_in_pieces(
    endpoint: Endpoint,
    body: &[u8],
    size: usize,
    counter: Option<&dyn TokenCounter>,
) -> Result<Ask, BodyError> {
    let mut reader = AskReader::new(endpoint);
    let (mut read, mut given) = (0, 0);
    while given < body.len() {
        given = body.len().min(given + size);
        read += reader.feed(&body[read..given], counter);
    }
    reader.finish(counter)
}

#[test]
fn every_body_of_the_table_is_read_the_same_wherever_it_is_cut() {
    let table: Vec<Value> = serde_json::from_str(include_str!("../testdata/asks.json")).unwrap();
    for case in &table {
        let body = case["body"].as_str().map_or_else(|| case["body"].to_string(), ToOwned::to_owned);
        let endpoint = endpoint(case["endpoint"].as_str().unwrap());
        let whole = Ask::read(endpoint, body.as_bytes(), Some(&Quarters));
        for size in [1, 2, 3, 7, 16] {
            let pieces = read_in_pieces(endpoint, body.as_bytes(), size, Some(&Quarters));
            assert_eq!(pieces, whole, "{} in pieces of {size}", case["name"]);
        }
    }
}

#[test]
fn a_character_that_is_cut_at_the_end_is_not_utf8() {
    for at in 1..4 {
        let body = [b"{\"a\":1}", &"🦀".as_bytes()[..at]].concat();
        for size in [1, 5, 100] {
            let error = read_in_pieces(Endpoint::ChatCompletions, &body, size, None).unwrap_err();
            assert_eq!(error, BodyError::NotUtf8 { at_byte: 7 }, "{at} bytes of it, in pieces of {size}");
        }
    }
}

#[test]
fn long_texts_are_counted_in_the_same_pieces_wherever_they_are_cut() {
    let body =
        json!({"messages": [{"content": "The quick brown fox é東🦀\n ".repeat(300)}], "tools": ["x y ".repeat(999)]});
    let body = body.to_string();
    let whole = Ask::read(Endpoint::ChatCompletions, body.as_bytes(), Some(&Quarters));
    for size in [1, 100, 1_000, 4_096] {
        assert_eq!(read_in_pieces(Endpoint::ChatCompletions, body.as_bytes(), size, Some(&Quarters)), whole);
    }
}

proptest! {
    #[test]
    fn cuts_do_not_matter(text in nearly_json(), bytes in prop::collection::vec(any::<u8>(), 0..60), size in 1_usize..9) {
        for endpoint in ENDPOINTS {
            for body in [text.as_bytes(), &bytes, &[text.as_bytes(), &bytes].concat()] {
                let whole = Ask::read(endpoint, body, Some(&Quarters));
                prop_assert_eq!(read_in_pieces(endpoint, body, size, Some(&Quarters)), whole);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in nearly_json()) {
        for endpoint in ENDPOINTS {
            let _ = Ask::read(endpoint, &bytes, Some(&Quarters));
            let _ = Ask::read(endpoint, text.as_bytes(), Some(&Quarters));
        }
    }

    #[test]
    fn any_text_is_measured_whatever_its_escapes(text in any::<String>(), n in any::<u32>(), limit in any::<i64>()) {
        let body = json!({"messages": [{"content": &text}], "n": n, "max_tokens": limit}).to_string();
        let ask = Ask::read(Endpoint::ChatCompletions, body.as_bytes(), None).unwrap();
        prop_assert_eq!(ask.prompt.characters, text.chars().count() as u64);
        prop_assert!((1..=CHOICES_MAX).contains(&ask.choices));
        prop_assert_eq!(ask.max_output_tokens.is_some(), limit >= 0);
    }
}
