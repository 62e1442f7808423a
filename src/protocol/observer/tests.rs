use super::*;

const STREAM: ResponseFacts<'_> = ResponseFacts {
    endpoint: Endpoint::ChatCompletions,
    status: 200,
    content_type: Some("text/event-stream; charset=utf-8"),
    content_encoding: None,
};
const DOCUMENT: ResponseFacts<'_> =
    ResponseFacts { content_type: Some("Application/JSON"), content_encoding: Some("identity"), ..STREAM };
const USAGE: Usage =
    Usage { prompt_tokens: Some(7), completion_tokens: Some(3), cached_tokens: None, is_of_one: false };

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn observed(facts: ResponseFacts<'_>, body: &str, complete: bool) -> Observed {
    let mut observer = ResponseObserver::new(facts);
    observer.feed(body.as_bytes(), at(10));
    observer.finish(complete)
}

#[test]
fn the_first_token_of_a_stream_is_timed_by_the_chunk_that_completes_it() {
    let mut observer = ResponseObserver::new(STREAM);
    observer.feed(b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n", at(10));
    observer.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel", at(20));
    assert_eq!((observer.first_token_at(), observer.output_so_far().events), (None, 0));
    observer.feed(b"lo\"}}]}\n\n", at(30));
    assert_eq!((observer.first_token_at(), observer.output_so_far().events), (Some(at(30)), 1));
    observer.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"!\"}}]}\n\n", at(40));
    observer.feed(
        b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
        at(50),
    );
    assert_eq!(observer.output_so_far(), OutputSoFar { told_tokens: 3, events: 2 });
    let observed = observer.finish(true);
    assert_eq!((observed.first_token_at, observed.output_events, observed.usage), (Some(at(30)), 2, USAGE));
}

#[test]
fn a_first_event_of_any_size_without_output_is_not_the_first_token() {
    let ids = "12345,".repeat(30_000);
    for (event, output) in [
        (
            format!("{{\"type\":\"response.created\",\"response\":{{\"instructions\":\"{ids}\",\"output\":[]}}}}"),
            "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}",
        ),
        (
            format!(
                "{{\"choices\":[{{\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}}}}],\"prompt_token_ids\":[{ids}1]}}"
            ),
            "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        ),
        ("\"keep-alive\"".to_owned(), "{\"choices\":[{\"text\":\"a\"}]}"),
        ("keep-alive".to_owned(), "{\"choices\":[{\"text\":\"a\"}]}"),
        ("[]".to_owned(), "{\"choices\":[{\"text\":\"a\"}]}"),
        ("null".to_owned(), "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"x\",\"thinking\":\"a\"}}"),
    ] {
        let mut observer = ResponseObserver::new(STREAM);
        observer.feed(format!("\u{feff}data: {event}\n\n").as_bytes(), at(10));
        assert_eq!(observer.first_token_at(), None, "{:?}", event.get(..60));
        observer.feed(format!("data: {output}\n\n").as_bytes(), at(20));
        assert_eq!(observer.first_token_at(), Some(at(20)), "{:?}", event.get(..60));
    }
}

#[test]
fn a_stream_that_breaks_off_counts_its_last_event_at_the_last_chunk() {
    let observed = observed(STREAM, "data: {\"choices\":[{\"text\":\"a\"}]}", false);
    assert_eq!((observed.first_token_at, observed.output_events, observed.end), (Some(at(10)), 1, ResponseEnd::Cut));
}

#[test]
fn a_document_tells_its_usage_and_no_first_token() {
    let mut observer = ResponseObserver::new(DOCUMENT);
    observer.feed(br#"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_"#, at(10));
    observer.feed(br#"tokens":7,"completion_tokens":3}}"#, at(20));
    assert_eq!(observer.output_so_far(), OutputSoFar::default());
    assert_eq!(observer.finish(true), Observed { usage: USAGE, bytes: 92, ..Observed::default() });
}

#[test]
fn an_answer_without_its_end_is_cut() {
    let token = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
    for (stream, complete, end) in [
        ("data: [DONE]\n\n", true, ResponseEnd::Whole),
        ("data: [DONE]\n\n", false, ResponseEnd::Whole),
        ("data: [DONE]", true, ResponseEnd::Whole),
        ("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n", true, ResponseEnd::Whole),
        ("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n", false, ResponseEnd::Cut),
        ("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", false, ResponseEnd::Whole),
        ("data: {\"type\":\"response.completed\",\"response\":{\"error\":null}}\n\n", true, ResponseEnd::Whole),
        ("data: {\"type\":\"response.incomplete\",\"response\":{}}\n\n", true, ResponseEnd::Whole),
        ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7}}\n\n", true, ResponseEnd::Cut),
        (": keep-alive\n\n", true, ResponseEnd::Cut),
        ("", true, ResponseEnd::Cut),
    ] {
        assert_eq!(observed(STREAM, &format!("{token}{stream}"), complete).end, end, "{stream} {complete}");
    }
    assert_eq!(observed(STREAM, "", true).end, ResponseEnd::Cut);
    assert_eq!(observed(STREAM, "data: {\"x\":1}\n\n", true).end, ResponseEnd::Cut);
    assert_eq!(observed(DOCUMENT, "", true).end, ResponseEnd::Cut);
    assert_eq!(observed(DOCUMENT, "{\"choices\":[", true).end, ResponseEnd::Cut);
    assert_eq!(observed(DOCUMENT, "{}", false).end, ResponseEnd::Cut);
}

#[test]
fn an_api_that_is_not_known_need_not_say_when_it_ends() {
    let facts = ResponseFacts { endpoint: Endpoint::Any, ..STREAM };
    assert_eq!(observed(facts, "data: {\"x\":1}\n\n", true).end, ResponseEnd::Whole);
    assert_eq!(observed(facts, "data: {\"x\":1}\n\n", false).end, ResponseEnd::Cut);
    assert_eq!(observed(facts, "", true).end, ResponseEnd::Cut);
    assert_eq!(
        observed(facts, "data: {\"token\":{\"text\":\"a\"},\"generated_text\":null}\n\n", true).end,
        ResponseEnd::Cut
    );
    let last = "data: {\"token\":{\"text\":\"a\"},\"generated_text\":\"a\",\"details\":{\"generated_tokens\":3}}\n\n";
    let observed = observed(facts, last, true);
    assert_eq!((observed.end, observed.usage.completion_tokens), (ResponseEnd::Whole, Some(3)));
}

#[test]
fn an_error_amid_a_stream_is_one_however_it_goes_on() {
    for (stream, status) in [
        ("data: {\"error\":{\"message\":\"x\",\"code\":500}}\n\ndata: [DONE]\n\n", Some(500)),
        ("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n", Some(529)),
        ("event: error\ndata: the engine has stopped\n\n", None),
        ("error: {\"code\":503,\"message\":\"loading\"}\n\n", Some(503)),
        ("data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\"}}}\n\n", None),
        ("data: {\"error\":{\"code\":400}}", Some(400)),
    ] {
        assert_eq!(observed(STREAM, stream, true).end, ResponseEnd::Faulty(Fault { status }), "{stream}");
    }
}

#[test]
fn an_answer_whose_type_is_not_told_is_known_by_its_beginning() {
    for content_type in [None, Some(" "), Some("application/octet-stream"), Some("application/vnd.x+json")] {
        let facts = ResponseFacts { content_type, ..STREAM };
        let document = observed(facts, r#"{"usage":{"prompt_tokens":7,"completion_tokens":3}}"#, true);
        assert_eq!((document.usage, document.end), (USAGE, ResponseEnd::Whole), "{content_type:?}");
    }
    let facts = ResponseFacts { content_type: None, ..STREAM };
    assert_eq!(observed(facts, "data: {\"choices\":[{\"text\":\"a\"}]}\n\n", true).output_events, 1);
    assert_eq!(observed(facts, "", true).end, ResponseEnd::Whole);
}

#[test]
fn of_what_cannot_be_read_only_bytes_are_counted() {
    for facts in [
        ResponseFacts { content_encoding: Some("br"), ..DOCUMENT },
        ResponseFacts { status: 500, ..DOCUMENT },
        ResponseFacts { status: 429, ..STREAM },
        ResponseFacts { content_type: Some("text/html"), ..DOCUMENT },
    ] {
        let body = "<p>data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":7}}\n\n";
        let bytes = u64::try_from(body.len()).unwrap();
        assert_eq!(observed(facts, body, true), Observed { bytes, ..Observed::default() }, "{facts:?}");
    }
}

#[test]
fn a_compressed_stream_is_timed_by_its_first_byte() {
    let mut observer = ResponseObserver::new(ResponseFacts { content_encoding: Some("gzip"), ..STREAM });
    observer.feed(b"\x1f\x8b", at(10));
    assert!(!observer.is_read());
    assert_eq!(observer.finish(true).first_token_at, Some(at(10)));
}

#[test]
fn of_a_refusal_the_beginning_is_kept() {
    let mut observer = ResponseObserver::new(ResponseFacts { status: 404, ..DOCUMENT });
    (0..100).for_each(|_| observer.feed(b"{\"detail\":\"Not Found\"}", at(10)));
    assert_eq!(observer.refusal().len(), REFUSAL_BYTES);
    assert!(!observer.is_read());
}

#[test]
fn the_id_of_a_response_is_told_as_soon_as_it_has_come() {
    let created = r#"{"type":"response.created","response":{"object":"response","id":"resp_1","output":[]}}"#;
    let stream = format!("event: response.created\ndata: {created}\n\n");
    let document = r#"{"id":"resp_1""#.to_owned();
    for (content_type, body) in [("text/event-stream", stream), ("application/json", document.clone()), ("", document)]
    {
        let facts = ResponseFacts { endpoint: Endpoint::Responses, content_type: Some(content_type), ..STREAM };
        for cut in 1..=body.len() {
            let mut observer = ResponseObserver::new(facts);
            let (head, tail) = body.split_at(cut);
            observer.feed(head.as_bytes(), at(10));
            assert_eq!(observer.response_id().is_some(), tail.is_empty(), "{head}");
            observer.feed(tail.as_bytes(), at(20));
            assert_eq!(observer.response_id().map(ResponseId::as_str), Some("resp_1"), "{head}");
            observer.feed(b"data: {\"response\":{\"id\":\"resp_2\"}}\n\n", at(30));
            assert_eq!(observer.response_id().map(ResponseId::as_str), Some("resp_1"), "{head}");
        }
    }
}

#[test]
fn only_responses_have_ids_to_go_on_from() {
    let event = |json: &str| format!("data: {json}\n\n");
    let of = |facts: ResponseFacts<'_>, body: &str| {
        let mut observer = ResponseObserver::new(facts);
        observer.feed(body.as_bytes(), at(10));
        observer.response_id().cloned()
    };
    let responses = |facts| ResponseFacts { endpoint: Endpoint::Responses, ..facts };
    assert_eq!(of(DOCUMENT, r#"{"id":"chatcmpl-1"}"#), None);
    assert_eq!(of(STREAM, &event(r#"{"response":{"id":"resp_1"}}"#)), None);
    for json in [r#"{"id":"resp_1"}"#, r#"{"item":{"id":"resp_1"}}"#, r#"{"response":{"output":[{"id":"x"}]}}"#] {
        assert_eq!(of(responses(STREAM), &event(json)), None, "{json}");
    }
    for json in [r#"{"output":[{"id":"x"}]}"#, r#"[{"id":"x"}]"#, r#"{"id":7}"#, r#"{"text":"\"id\":\"x\""}"#] {
        assert_eq!(of(responses(DOCUMENT), json), None, "{json}");
    }
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(1_000));
    assert_eq!(of(responses(DOCUMENT), &long), None);
    assert_eq!(of(responses(ResponseFacts { status: 500, ..DOCUMENT }), r#"{"id":"resp_1"}"#), None);
}
