use proptest::prelude::*;

use super::*;

/// All that a reader tells.
type Told = (u32, u32, u32, Option<(u32, u32)>);

fn told(mut reader: SseReader) -> Told {
    reader.finish();
    let Usage { prompt_tokens, completion_tokens, .. } = reader.usage();
    let usage = prompt_tokens.map(|prompt_tokens| (prompt_tokens, completion_tokens.unwrap_or(0)));
    (reader.events(), reader.output_events(), reader.told_tokens(), usage)
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut reader = SseReader::default();
    chunks.into_iter().for_each(|chunk| reader.feed(chunk));
    told(reader)
}

/// Streams in the shapes that servers document, with: events, those with output, output tokens
/// told, usage.
const STREAMS: [(&str, &str, Told); 6] = [
    ("OpenAI chat", include_str!("../testdata/openai_chat.sse"), (5, 2, 4, Some((19, 4)))),
    ("vLLM chat", include_str!("../testdata/vllm_chat.sse"), (5, 2, 6, Some((31, 6)))),
    ("vLLM completions", include_str!("../testdata/vllm_completions.sse"), (4, 2, 3, Some((5, 3)))),
    ("SGLang chat", include_str!("../testdata/sglang_chat.sse"), (4, 1, 2, Some((14, 2)))),
    ("OpenAI responses", include_str!("../testdata/openai_responses.sse"), (8, 2, 3, Some((11, 3)))),
    ("Anthropic messages", include_str!("../testdata/anthropic_messages.sse"), (8, 2, 15, Some((125, 15)))),
];

#[test]
fn each_servers_stream_is_read() {
    for (name, stream, expected) in STREAMS {
        assert_eq!(read([stream.as_bytes()]), expected, "{name}");
    }
}

#[test]
fn a_split_at_any_byte_changes_nothing_with_any_line_ending() {
    for (name, stream, expected) in STREAMS {
        for ending in ["\n", "\r", "\r\n"] {
            let stream = stream.replace('\n', ending);
            for at in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                assert_eq!(read([head, tail]), expected, "{name} split at {at}, lines ended by {ending:?}");
            }
            assert_eq!(read(stream.as_bytes().chunks(1)), expected, "{name} byte by byte, {ending:?}");
        }
    }
}

#[test]
fn output_is_seen_in_the_event_that_has_it_and_not_before_its_end() {
    for (name, stream, outputs_after) in [
        ("OpenAI chat", STREAMS[0].1, [0, 1, 2, 2, 2].as_slice()),
        ("vLLM chat", STREAMS[1].1, &[0, 1, 2, 2, 2]),
        ("SGLang chat", STREAMS[3].1, &[0, 1, 1, 1]),
        ("OpenAI responses", STREAMS[4].1, &[0, 0, 0, 0, 1, 2, 2, 2]),
        ("Anthropic messages", STREAMS[5].1, &[0, 0, 0, 1, 2, 2, 2, 2]),
    ] {
        let mut reader = SseReader::default();
        for (event, outputs) in stream.split_inclusive("\n\n").zip(outputs_after) {
            let before = reader.output_events();
            reader.feed(&event.as_bytes()[..event.len() - 1]);
            assert_eq!(reader.output_events(), before, "{name}: {event}");
            reader.feed(b"\n");
            assert_eq!(reader.output_events(), *outputs, "{name}: {event}");
        }
    }
}

#[test]
fn what_is_no_data_is_no_event() {
    assert_eq!(
        read([b": keep-alive\n\nevent: ping\n\nid: 7\nretry: 10\n\ndatabase: x\n\ndata:\n\ndata\n\n\n\n".as_slice()]).0,
        0
    );
}

#[test]
fn data_in_several_lines_is_one_event_wherever_it_is_split() {
    let stream = "data: {\"choices\":[],\ndata:\"usage\":{\"prompt_tokens\":7,\ndata: \"completion_tokens\":3}}\n\n";
    for ending in ["\n", "\r", "\r\n"] {
        let stream = stream.replace('\n', ending);
        for at in 0..=stream.len() {
            let (head, tail) = stream.as_bytes().split_at(at);
            assert_eq!(read([head, tail]), (1, 0, 3, Some((7, 3))), "split at {at}, lines ended by {ending:?}");
        }
    }
}

#[test]
fn an_error_in_the_stream_is_an_event_without_output() {
    for error in [
        r#"{"error":{"message":"out of memory","code":500}}"#,
        r#"{"type":"error","message":"overloaded","code":null}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
    ] {
        assert_eq!(read([format!("data: {error}\n\n").as_bytes()]), (1, 0, 0, None), "{error}");
    }
}

#[test]
fn labels_without_text_are_no_output() {
    for event in [
        r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"choices":[{"delta":{"role":"assistant","content":[],"audio":{}}}]}"#,
        r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#,
        r#"{"choices":null}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        r#"{"type":"response.output_text.delta","delta":""}"#,
        r#"{"type":"response.output_text.done","text":"all of it"}"#,
    ] {
        assert_eq!(read([format!("data: {event}\n\n").as_bytes()]), (1, 0, 0, None), "{event}");
    }
}

#[test]
fn what_is_no_object_is_no_event() {
    let stream = "data: plain text\n\ndata: 1\n\ndata: null\n\ndata: [{\"choices\":[{\"text\":\"a\"}]}]\n\n";
    assert_eq!(read([stream.as_bytes()]), (0, 0, 0, None));
}

#[test]
fn an_event_of_any_length_tells_what_is_in_it() {
    let delta = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
    let text = "x".repeat(300_000);
    let completed = format!(
        "data: {{\"type\":\"response.completed\",\"response\":{{\"output\":\"{text}\",\"usage\":{{\"input_tokens\":7,\"output_tokens\":3}},\"user\":null}}}}\n\n"
    );
    let comment = format!(": {text}\n\n{text}: {text}\n\n");
    let stream = [delta, &completed, delta, &comment].concat();
    for size in [1, 1_000, stream.len()] {
        assert_eq!(read(stream.as_bytes().chunks(size)), (3, 2, 3, Some((7, 3))), "in chunks of {size}");
    }
}

#[test]
fn a_byte_order_mark_hides_nothing() {
    let stream = "\u{feff}data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
    for size in [1, 2, 100] {
        assert_eq!(read(stream.as_bytes().chunks(size)).1, 1, "in chunks of {size}");
    }
}

/// Pieces of streams, in any order: what two of them mean together depends on every byte.
fn nearly_a_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b":".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"[DONE]".to_vec()),
        Just(br#"{"choices":[{"delta":{"content":"a"}}]}"#.to_vec()),
        Just(br#"{"usage":{"prompt_tokens":7,"completion_tokens":3}}"#.to_vec()),
        Just(vec![b'x'; 1000]),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_splits_do_not_matter(
        stream in nearly_a_stream(),
        cuts in prop::collection::vec(0_usize..1_000, 0..6),
    ) {
        let mut split = SseReader::default();
        let mut rest = stream.as_slice();
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            split.feed(head);
            rest = tail;
        }
        split.feed(rest);
        prop_assert_eq!(told(split), read([stream.as_slice()]));
    }
}
