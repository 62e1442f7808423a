use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Reads everything but the values of two keys, and builds the document again.
#[derive(Default)]
struct Builder {
    /// The containers that are open, with the key of the value that comes in each.
    open: Vec<(Value, String)>,
    key: String,
    text: Vec<u8>,
    /// Of values that were not read, the lengths as they are written.
    written: Vec<usize>,
    raw: Vec<u8>,
    document: Option<Value>,
}

impl Builder {
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.document = Some(value),
            Some((Value::Array(array), _)) => array.push(value),
            Some((container, key)) => container[key.as_str()] = value,
        }
    }
}

impl Sink for Builder {
    fn begin(&mut self, kind: JsonKind) -> Result<Care, &'static str> {
        match self.open.last().map(|(_, key)| key.as_str()) {
            Some("raw") => return Ok(Care::Raw),
            Some("skip") => return Ok(Care::Skip),
            _ => {}
        }
        match kind {
            JsonKind::Array => self.open.push((json!([]), String::new())),
            JsonKind::Object => self.open.push((json!({}), String::new())),
            _ => {}
        }
        Ok(Care::Keep)
    }
    fn close(&mut self, is_object: bool) {
        let (value, _) = self.open.pop().unwrap();
        assert_eq!(value.is_object(), is_object);
        self.put(value);
    }
    fn key(&mut self, key: &[u8]) {
        self.key = String::from_utf8(key.to_vec()).unwrap();
        self.open.last_mut().unwrap().1.clone_from(&self.key);
    }
    fn text(&mut self, part: &[u8]) {
        self.text.extend_from_slice(part);
    }
    fn end_text(&mut self, characters: usize) {
        let text = String::from_utf8(std::mem::take(&mut self.text)).unwrap();
        assert_eq!(characters, text.chars().count());
        self.put(json!(text));
    }
    fn word(&mut self, word: Word<'_>) -> Result<(), &'static str> {
        let value = match word {
            Word::Null => Value::Null,
            Word::Boolean(value) => json!(value),
            Word::Number(digits, is_integer) => {
                let number = serde_json::from_slice(digits).map_err(|_| "number out of range")?;
                assert_eq!(is_integer, Value::is_u64(&number));
                number
            }
        };
        self.put(value);
        Ok(())
    }
    fn raw(&mut self, part: &[u8]) {
        self.raw.extend_from_slice(part);
    }
    fn end_skipped(&mut self, written: usize) {
        self.written.push(written);
        let raw = String::from_utf8(std::mem::take(&mut self.raw)).unwrap();
        self.put(json!(raw));
    }
}

fn read(document: &str, size: usize) -> Result<Value, String> {
    built(document, size).map(|builder| builder.document.unwrap())
}

fn built(document: &str, size: usize) -> Result<Builder, String> {
    let (mut lexer, mut builder) = (Lexer::default(), Builder::default());
    let mut rest = document;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.ceil_char_boundary(size.min(rest.len())));
        lexer.feed(piece.as_bytes(), &mut builder);
        rest = behind;
    }
    lexer.finish(&mut builder)?;
    Ok(builder)
}

#[test]
fn what_is_not_read_is_passed_over_and_what_is_raw_comes_as_it_is() {
    let document =
        r#"{"raw" : {"a":[1, "}\"" ],"b":{}} ,"skip":[[{"\ud800":1e999}]],"c":{"raw":12,"skip":"x"}, "raw2":"y"}"#;
    let expected = json!({
        "raw": r#"{"a":[1, "}\"" ],"b":{}}"#, "skip": "", "c": {"raw": "12", "skip": ""}, "raw2": "y",
    });
    for size in 1..document.len() {
        assert_eq!(read(document, size), Ok(expected.clone()), "in pieces of {size}");
    }
}

#[test]
fn json_is_as_long_as_a_template_writes_it() {
    for (json, written) in [
        (r#"{"a":1,"b":[true,null]}"#, r#"{"a": 1, "b": [true, null]}"#),
        ("{\n    \"a\" : 1 ,\n    \"b\" : [ true ]\n}", r#"{"a": 1, "b": [true]}"#),
        (r#"{"a":"two  words","b":"caf\u00e9"}"#, r#"{"a": "two  words", "b": "café"}"#),
        (r#"["a\n\"b\"\\"]"#, r#"["a\n\"b\"\\"]"#),
        (r#""""#, r#""""#),
        ("12.5", "12.5"),
        ("[ ]", "[]"),
    ] {
        let document = format!("{{\"raw\": {json} }}");
        for size in 1..document.len() {
            let builder = built(&document, size).ok().unwrap();
            assert_eq!(builder.written, [written.chars().count()], "{json} in pieces of {size}");
        }
    }
}

#[test]
fn a_number_that_is_wanted_has_as_many_digits_as_a_float_needs() {
    let number = "0.300000000000000041";
    assert_eq!(read(number, 5), Ok(serde_json::from_str(number).unwrap()));
    assert_eq!(read(&format!("{number}2"), 5), Err("number out of range at line 1 column 21".to_owned()));
}

#[test]
fn a_million_levels_that_are_not_read_are_passed_over() {
    let document = format!("{{\"skip\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(read(&document, 10_000), Ok(json!({ "skip": "" })));
}

#[test]
fn errors_are_serde_jsons() {
    for document in [
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,",
        "{,",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\":1]",
        "[1}",
        "{\"a\" 1}",
        "{1:2}",
        "tru",
        "trie",
        "nul",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\u{1}\"",
        "-",
        "-a",
        "01",
        "1.",
        "1.a",
        "1e",
        "1e+",
        "1e+x",
        "1 2",
        "[1]\n\n x",
        "{\"a\":\n  [1,\n 2 x]}",
        "x",
    ] {
        let expected = serde_json::from_str::<Value>(document).unwrap_err().to_string();
        for size in [1, 100] {
            assert_eq!(read(document, size), Err(expected.clone()), "{document:?}");
        }
    }
}

/// JSON-like text, often broken.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just(" "),
        Just("\n"),
        Just("\"a\":"),
        Just("\"b\":{"),
        Just("\"x\\n\\u00e9\""),
        Just("\"\\ud83e\\udd80\""),
        Just("\"\\ud800\""),
        Just("\"🦀\""),
        Just("-1"),
        Just("0"),
        Just("1.5e-9 "),
        Just("12345678901 "),
        Just("null"),
        Just("true"),
        Just("\""),
    ];
    prop::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn any_document_is_what_it_is_to_serde_json(text in nearly_json(), size in 1_usize..20) {
        let mut expected = serde_json::from_str::<Value>(&text).map_err(|error| error.to_string());
        let mut read = read(&text, size);
        // A line feed within a string is at fault where it stands, not where the next line begins.
        for error in [&mut expected, &mut read].into_iter().filter_map(|result| result.as_mut().err()) {
            error.truncate(if error.starts_with("control") { 17 } else { error.len() });
        }
        prop_assert_eq!(read, expected, "{}", text);
    }
}
