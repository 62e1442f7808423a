//! Heads of prompts, as a body is read.

use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::protocol::ask::AskReader;
use crate::protocol::endpoint::Endpoint;
use crate::scheduling::prefix::PromptHeads;

const KEY: u64 = 0x5EC2E7;

fn heads_in_pieces(endpoint: Endpoint, body: &[u8], sizes: &[usize]) -> PromptHeads {
    let mut reader = AskReader::new(endpoint).with_heads(KEY);
    let (mut read, mut given) = (0, 0);
    for size in sizes.iter().cycle() {
        given = body.len().min(given + size);
        read += reader.feed(&body[read..given], None);
        if given == body.len() {
            break;
        }
    }
    Rc::unwrap_or_clone(reader.finish(None).unwrap().heads)
}

fn heads_of(endpoint: Endpoint, body: &Value) -> PromptHeads {
    heads_in_pieces(endpoint, body.to_string().as_bytes(), &[usize::MAX >> 1])
}

fn chat(body: &Value) -> PromptHeads {
    heads_of(Endpoint::ChatCompletions, body)
}

/// Heads that two prompts have in common.
fn common(one: &PromptHeads, other: &PromptHeads) -> usize {
    one.iter().filter(|head| other.iter().any(|other| other.fingerprint == head.fingerprint)).count()
}

fn words(seed: usize, count: usize) -> String {
    (0..count).map(|at| format!("word{} ", (at * 7919 + seed * 104_729) % 65_537)).collect()
}

#[test]
fn a_conversation_that_goes_on_has_the_heads_of_its_last_turn() {
    let mut messages =
        vec![json!({"role": "system", "content": "Be brief."}), json!({"role": "user", "content": "How are you?"})];
    let first = chat(&json!({"messages": messages}));
    messages.push(json!({"role": "assistant", "content": "Well."}));
    messages.push(json!({"role": "user", "content": "And now?"}));
    let second = chat(&json!({"messages": messages}));
    assert_eq!((first.len(), second.len()), (2, 4));
    assert_eq!(common(&first, &second), 2);
    assert_eq!(first.last(), second.iter().nth(1));
}

#[test]
fn a_shared_system_prompt_gives_common_heads_up_to_its_end() {
    let system = words(1, 2_000);
    let ask = |question: &str| {
        chat(&json!({"messages": [{"role": "system", "content": &system}, {"role": "user", "content": question}]}))
    };
    let (one, other) = (ask(&words(2, 900)), ask(&words(3, 900)));
    let shared = common(&one, &other);
    let longest = one.iter().nth(shared - 1).unwrap();
    assert!(longest.position as usize >= system.len(), "the end of the first message");
    assert!((longest.position as usize) < system.len() + 20);
    assert!(shared >= 12, "{shared}");
}

#[test]
fn a_shared_beginning_of_one_text_gives_common_heads_up_to_a_quarter_before_where_they_part() {
    let document = words(1, 3_000);
    let ask = |question: &str| heads_of(Endpoint::Completions, &json!({"prompt": format!("{document}{question}")}));
    let (one, other) = (ask("Who wrote it?"), ask("When?"));
    let longest = one.iter().nth(common(&one, &other) - 1).unwrap().position as usize;
    assert!(longest * 5 >= document.len() * 4 && longest <= document.len(), "{longest} of {}", document.len());
}

#[test]
fn what_is_cached_apart_has_other_heads() {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let plain = chat(&json!({"model": "llama", "messages": messages}));
    let salted = chat(&json!({"model": "llama", "cache_salt": "tenant", "messages": messages}));
    let adapter = chat(&json!({"model": "llama-legal", "messages": messages}));
    let with_tools = chat(&json!({"model": "llama", "messages": messages, "tools": [{"name": "search"}]}));
    let spoken = chat(&json!({"model": "llama", "messages": [{"role": "system", "content": "Hello"}]}));
    let all = [plain, salted, adapter, with_tools, spoken];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_eq!(common(one, other), 0);
        }
    }
}

#[test]
fn another_key_gives_other_heads() {
    let body = json!({"messages": [{"role": "user", "content": "Hello"}]}).to_string();
    let keyed = |key| {
        let mut reader = AskReader::new(Endpoint::ChatCompletions).with_heads(key);
        reader.feed(body.as_bytes(), None);
        reader.finish(None).unwrap().heads
    };
    assert_eq!(common(&keyed(1), &keyed(2)), 0);
    assert_eq!(keyed(1), keyed(1));
}

#[test]
fn parameters_of_sampling_and_the_order_of_fields_do_not_matter() {
    let orders = [
        r#"{"model":"m","cache_salt":"s","tools":[{"a":1}],"messages":[{"role":"user","content":"Hi"}],"temperature":0.1}"#,
        r#"{"n":2,"messages":[{"role":"user","content":"Hi"}],"tools":[{"a":1}],"cache_salt":"s","stream":true,"model":"m"}"#,
        r#"{"tools":[{"a":1}],"messages":[{"role":"user","content":"\u0048i"}],"model":"m","cache_salt":"s","max_tokens":3}"#,
    ];
    let heads = orders.map(|body| heads_in_pieces(Endpoint::ChatCompletions, body.as_bytes(), &[1 << 20]));
    assert_eq!(heads[0], heads[1]);
    assert_eq!(heads[0], heads[2]);
    let system_first = r#"{"system":"Be brief.","messages":[{"role":"user","content":"Hi"}]}"#;
    let system_last = r#"{"messages":[{"role":"user","content":"Hi"}],"system":"Be brief."}"#;
    let read = |body: &str| heads_in_pieces(Endpoint::Messages, body.as_bytes(), &[1 << 20]);
    assert_eq!(read(system_first), read(system_last));
}

#[test]
fn a_system_prompt_in_a_field_of_its_own_has_heads_of_its_own() {
    let system = words(1, 1_500);
    let ask = |endpoint, system_field: &str, field: &str, question: &str| {
        let mut body = json!({field: [{"role": "user", "content": question}]});
        body[system_field] = json!(system);
        heads_of(endpoint, &body)
    };
    for (endpoint, system_field, field) in
        [(Endpoint::Messages, "system", "messages"), (Endpoint::Responses, "instructions", "input")]
    {
        let (one, other) = (ask(endpoint, system_field, field, "Who?"), ask(endpoint, system_field, field, "Where?"));
        let longest = one.iter().nth(common(&one, &other) - 1).unwrap();
        assert_eq!(longest.position as usize, system.len());
        assert_eq!(one.len(), common(&one, &other) + 1);
    }
}

#[test]
fn images_count_by_what_they_hold_and_equally_long() {
    let with = |part: Value| {
        chat(&json!({"messages": [{"role": "user", "content": [part, {"type": "text", "text": "What is it?"}]}]}))
    };
    let cat = with(json!({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}));
    let dog = with(json!({"type": "image_url", "image_url": {"url": "https://example.com/dog.png"}}));
    let inline = with(json!({"type": "image_url", "image_url": {"url": "A".repeat(50_000)}}));
    let bare = with(json!({"type": "input_image", "image_url": "https://example.com/cat.png"}));
    let anthropic = with(json!({"type": "image", "source": {"type": "base64", "data": "B".repeat(3_000)}}));
    let last = |heads: &PromptHeads| heads.last().unwrap().position;
    for other in [&dog, &inline, &bare, &anthropic] {
        assert_eq!(common(&cat, other), 0);
        assert_eq!(last(&cat), last(other));
    }
    assert!(last(&cat) > 4_000);
    let again = with(json!({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}));
    assert_eq!(cat, again);
}

#[test]
fn of_a_batch_the_first_prompt_has_heads_and_all_count() {
    let read = |prompt: Value| heads_of(Endpoint::Completions, &json!({"prompt": prompt}));
    let alone = read(json!("Once upon a time"));
    let batch = read(json!(["Once upon a time", "In the beginning!"]));
    assert_eq!((alone.len(), common(&alone, &batch)), (1, 1));
    let head = *batch.last().unwrap();
    assert_eq!((alone.tokens_at(&head, 100), batch.tokens_at(&head, 100)), (100, 50));
}

#[test]
fn token_ids_are_hashed_and_take_equal_places() {
    let read = |prompt: Value| heads_of(Endpoint::Completions, &json!({"prompt": prompt}));
    let ids: Vec<u32> = (0..2_000).map(|at| at * 31 % 32_000).collect();
    let longer: Vec<u32> = ids.iter().copied().chain(0..500).collect();
    let (one, other) = (read(json!(ids)), read(json!(longer)));
    assert!(common(&one, &other) >= 10);
    assert_eq!(common(&read(json!([1, 2, 3])), &read(json!([1, 2, 4]))), 0);
    assert_eq!(read(json!([[1, 2, 3], [4, 5, 6]])).last(), read(json!([1, 2, 3])).last());
    assert_eq!(one.iter().next().unwrap().position, 1_024);
}

#[test]
fn the_last_of_fields_that_are_there_twice_has_the_heads() {
    let twice = br#"{"messages":[{"content":"old"}],"tools":[1,2],"messages":[{"content":"new"}],"tools":null}"#;
    let once = br#"{"messages":[{"content":"new"}]}"#;
    let read = |body: &[u8]| heads_in_pieces(Endpoint::ChatCompletions, body, &[1 << 20]);
    assert_eq!(read(twice), read(once));
}

#[test]
fn long_conversations_keep_few_heads_in_order() {
    let messages: Vec<Value> = (0..400)
        .map(|at| json!({"role": if at % 2 == 0 { "user" } else { "assistant" }, "content": words(at, 900)}))
        .collect();
    let heads = chat(&json!({"messages": messages, "tools": words(7, 100)}));
    assert!(heads.len() <= 48 && heads.len() > 40, "{}", heads.len());
    assert!(heads.iter().zip(heads.iter().skip(1)).all(|(one, next)| one.position < next.position));
    let before = chat(&json!({"messages": messages[..394], "tools": words(7, 100)}));
    assert!(common(&before, &heads) > 35, "two turns later the places and an end are the same");
}

#[test]
fn no_heads_are_taken_unasked_nor_of_what_no_cache_holds() {
    let body = json!({"messages": [{"content": "Hi"}], "input": "Hi"});
    let mut reader = AskReader::new(Endpoint::ChatCompletions);
    reader.feed(body.to_string().as_bytes(), None);
    assert!(reader.finish(None).unwrap().heads.is_empty());
    assert!(heads_of(Endpoint::Embeddings, &body).is_empty());
    assert!(chat(&json!({"model": "m"})).is_empty());
}

/// Bodies with content of all kinds, long enough for places.
fn body() -> impl Strategy<Value = (Endpoint, String)> {
    let text = prop_oneof![any::<String>(), (0..400_usize, 0..900_usize).prop_map(|(seed, count)| words(seed, count))];
    let part = (text.clone(), any::<bool>()).prop_map(|(text, is_image)| {
        if is_image {
            json!({"type": "image_url", "image_url": {"url": text}})
        } else {
            json!({"type": "text", "text": text})
        }
    });
    let content =
        prop_oneof![text.clone().prop_map(Value::from), prop::collection::vec(part, 0..4).prop_map(Value::from)];
    let message = (prop_oneof![Just("system"), Just("user"), Just("assistant")], content)
        .prop_map(|(role, content)| json!({"role": role, "content": content}));
    let messages = prop::collection::vec(message, 0..14);
    let ids = prop::collection::vec(any::<u32>(), 0..600);
    prop_oneof![
        (messages.clone(), text.clone())
            .prop_map(|(messages, tool)| (Endpoint::ChatCompletions, json!({"messages": messages, "tools": [tool]}))),
        (messages.clone(), text.clone())
            .prop_map(|(messages, system)| (Endpoint::Messages, json!({"messages": messages, "system": system}))),
        (messages, text.clone())
            .prop_map(|(input, text)| (Endpoint::Responses, json!({"input": input, "instructions": text}))),
        (text.clone(), text).prop_map(|(one, other)| (Endpoint::Completions, json!({"prompt": [one, other]}))),
        ids.prop_map(|ids| (Endpoint::Completions, json!({"prompt": ids}))),
    ]
    .prop_map(|(endpoint, body)| (endpoint, body.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn heads_are_the_same_wherever_a_body_is_cut(
        (endpoint, body) in body(),
        sizes in prop::collection::vec(1_usize..3_000, 1..20),
    ) {
        let whole = heads_in_pieces(endpoint, body.as_bytes(), &[usize::MAX >> 1]);
        prop_assert!(whole.len() <= 48);
        prop_assert!(whole.iter().all(|head| whole.tokens_at(head, 1_000) <= 1_000));
        prop_assert_eq!(&heads_in_pieces(endpoint, body.as_bytes(), &sizes), &whole);
        prop_assert_eq!(heads_in_pieces(endpoint, body.as_bytes(), &[7]), whole);
    }
}
