//! No callback takes a worker for more than a millisecond, whatever body a client sends and however it comes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use wasm_host::{Program, Stream, World};

use crate::bounds::MILLISECOND;
use crate::support::{Sent, address, entry, filter, ms, of, path};

/// The largest body that Envoy keeps by default.
const LARGEST: usize = 1 << 20;
const DELIMITER: &str = "--boundary";

/// The artefact that counts prompts exactly: `SLO_ROUTER_WASM_EXACT`, or what `make build-exact` makes.
fn exact_path() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm32-wasip1/release/slo_router_exact.wasm");
    let path = std::env::var_os("SLO_ROUTER_WASM_EXACT").map_or(built, PathBuf::from);
    assert!(path.is_file(), "no filter at {}: run `make build-exact`, or set SLO_ROUTER_WASM_EXACT", path.display());
    path
}

fn counting(config: &Value) -> World {
    static COUNTING: OnceLock<Program> = OnceLock::new();
    let program = COUNTING.get_or_init(|| Program::load_counting(path()).unwrap());
    of(program, config).build().unwrap()
}

/// A body of some size that repeats a part.
fn filled(size: usize, head: &str, part: &str, tail: &str) -> String {
    let count = (size - head.len() - tail.len()) / part.len();
    [head, &part.repeat(count), tail].concat()
}

/// Bodies of about the same size, by what is large in them.
fn shapes(size: usize) -> Vec<(&'static str, String)> {
    let filled = |head: &str, part: &str, tail: &str| filled(size, head, part, tail);
    let messages = r#"{"model":"m","messages":["#;
    let tool = r#"{"type":"function","function":{"name":"f","description":"Reads a file, \"whole\".","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}},"#;
    let halfway = format!("9007199254740993.{}", "0".repeat(3));
    vec![
        ("tools", filled(r#"{"model":"m","messages":[],"tools":["#, tool, "1]}")),
        ("tools that are brackets", filled(r#"{"model":"m","messages":[],"tools":["#, "[],{},", "1]}")),
        ("one text", filled(&format!(r#"{messages}{{"content":""#), "word ", r#""}]}"#)),
        ("one text of wide characters", filled(&format!(r#"{messages}{{"content":""#), "東京🦀é", r#""}]}"#)),
        ("one text of escapes", filled(&format!(r#"{messages}{{"content":""#), r"\n", r#""}]}"#)),
        ("one text of surrogates", filled(&format!(r#"{messages}{{"content":""#), r"\ud83e\udd80", r#""}]}"#)),
        ("a text that is not measured", filled(r#"{"model":"m","messages":[],"user":""#, r"a\n", "\"}")),
        ("small arrays", filled(messages, "[],", "[]]}")),
        ("small objects", filled(messages, "{},", "{}]}")),
        ("small numbers", filled(messages, "1,", "1]}")),
        ("small texts", filled(messages, r#""","#, r#"""]}"#)),
        ("small elements that are not measured", filled(r#"{"model":"m","messages":[],"x":["#, "[],", "[]]}")),
        ("messages", filled(messages, r#"{"role":"user","content":"hello"},"#, "{}]}")),
        ("keys", filled(&format!("{messages}{{"), r#""type":1,"content":"","#, r#""a":1}]}"#)),
        ("fields", filled("{\"model\":\"m\",\"messages\":[],", "\"n\":1,", "\"n\":1}")),
        ("long numbers", filled("{\"model\":\"m\",\"messages\":[],", &format!("\"n\":{halfway},"), "\"n\":1}")),
        ("digits", filled(messages, "1", "]}")),
        ("white space", filled(messages, " \n", "]}")),
        ("nesting that is not measured", {
            let deep = (size - 40) / 2;
            format!(r#"{{"model":"m","messages":[],"x":{}{}}}"#, "[".repeat(deep), "]".repeat(deep))
        }),
        ("nesting that is measured", filled(messages, &format!("{}{},", "[".repeat(90), "]".repeat(90)), "1]}")),
        ("a model's name", filled("{\"messages\":[],\"model\":\"", "m", "\"}")),
        ("what is no JSON", filled("", "x", "")),
        ("what is no JSON at its end", filled(messages, "{},", "x")),
    ]
}

/// Sends a body in pieces to a pod that may run any number, and waits for it to be placed or refused.
fn sent(world: &World, path: &str, content_type: &str, body: &str, pieces: usize) -> Stream {
    let pieces = body.as_bytes().chunks(body.len().div_ceil(pieces)).map(<[u8]>::to_vec);
    let request = world.worker(0).request().to("POST", path).header("content-type", content_type).chunks(pieces);
    let stream = request.send();
    // Counting tokens takes many turns.
    (0..100).take_while(|_| stream.is_paused()).for_each(|_| world.advance(ms(100)));
    assert!(!stream.is_paused(), "it is still being read");
    stream
}

fn assert_bounded(world: &World, what: &str) {
    let cost: BTreeMap<_, _> = world.instructions();
    let most = cost.values().max().copied().unwrap_or_default();
    println!("{most:9} {what}");
    assert!(cost.values().all(|most| *most <= MILLISECOND), "{what}: {cost:#?}");
    assert_eq!(world.traps(), Vec::<String>::new());
}

#[test]
fn compare() {
    let world = counting(&filter(1, 1_000_000));
    sent(&world, "/v1/chat/completions", "application/json", r#"{"model":"m","messages":[]}"#, 1).finish();
    for (name, body) in shapes(8 << 10) {
        world.clear_history();
        let stream = sent(&world, "/v1/chat/completions", "application/json", &body, 1);
        if stream.status().is_none() {
            stream.finish();
        }
        println!("{:9} {name}", world.instructions()["proxy_on_request_body"]);
    }
}

#[test]
fn no_body_of_a_scheduled_request_takes_more_than_a_millisecond() {
    assert_bodies_bounded(&counting(&filter(1, 1_000_000)));
}

#[test]
fn no_body_whose_tokens_are_counted_takes_more_than_a_millisecond() {
    let mut config = filter(1, 1_000_000);
    config["request"]["prompt_tokens"] = json!("exact");
    let program = Program::load_counting(exact_path()).unwrap();
    assert_bodies_bounded(&of(&program, &config).build().unwrap());
}

/// Asserts that of a scheduled request with whatever body.
fn assert_bodies_bounded(world: &World) {
    for (name, body) in shapes(LARGEST) {
        for pieces in [1, 5, 64] {
            world.clear_history();
            let stream = sent(world, "/v1/chat/completions", "application/json", &body, pieces);
            assert!(stream.status().is_none_or(|status| status < 500), "{name}");
            if stream.status().is_none() {
                assert_eq!(stream.upstream_body().len(), body.len(), "{name}");
                stream.finish();
            }
            assert_bounded(world, &format!("{name} in {pieces}"));
        }
    }
}

/// Pods that serve different models.
fn two_models() -> Value {
    let mut config = filter(0, 1);
    let pods = [("asr", 0), ("tts", 1)].map(|(model, pod)| {
        let mut pod = entry(pod, "default/a");
        pod["models"] = json!([model]);
        pod
    });
    config["pods"]["static"] = json!(pods);
    config["request"]["paths"] = json!(["/v1/chat/completions", "/v1/audio/transcriptions"]);
    config
}

#[test]
fn no_body_that_is_searched_for_a_name_takes_more_than_a_millisecond() {
    let world = counting(&two_models());
    for (name, body) in shapes(LARGEST) {
        let body = body.replace("\"m\"", "1");
        for pieces in [1, 64] {
            world.clear_history();
            sent(&world, "/v1/audio/speech", "application/json", &body, pieces);
            assert_bounded(&world, &format!("{name} in {pieces}"));
        }
    }
    let head = "Content-Disposition: form-data; name=\"file\"";
    let form = format!("multipart/form-data; boundary={}", &DELIMITER[2..]);
    for (name, part) in [
        ("a file", "a".to_owned()),
        ("what is nearly the delimiter", "-".to_owned()),
        ("parts", format!("{DELIMITER}\r\n{head}\r\n\r\nx\r\n")),
        ("parts without heads", format!("{DELIMITER}\r\n")),
        ("delimiters but for their ends", DELIMITER[..9].to_owned()),
    ] {
        let end =
            format!("\r\n{DELIMITER}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ntts\r\n{DELIMITER}--");
        let body = filled(LARGEST, &format!("{DELIMITER}\r\n{head}\r\n\r\n"), &part, &end);
        for path in ["/v1/audio/translations", "/v1/audio/transcriptions"] {
            for pieces in [1, 64] {
                world.clear_history();
                sent(&world, path, &form, &body, pieces);
                assert_bounded(&world, &format!("a form of {name} to {path} in {pieces}"));
            }
        }
    }
}

#[test]
fn a_form_names_its_model_wherever_it_stands_in_a_body_that_comes_at_once() {
    let world = counting(&two_models());
    let form = format!("multipart/form-data; boundary={}", &DELIMITER[2..]);
    let end = format!("\r\n{DELIMITER}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ntts\r\n{DELIMITER}--");
    let body =
        filled(700 << 10, &format!("{DELIMITER}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"), "a", &end);
    for path in ["/v1/audio/translations", "/v1/audio/transcriptions"] {
        let stream = sent(&world, path, &form, &body, 1);
        assert_eq!(stream.pod(), Some(address(1)), "{path}");
        assert_eq!(stream.upstream_body().len(), body.len());
    }
}
