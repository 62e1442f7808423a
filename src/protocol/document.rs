//! A JSON document of any size, read as it passes.

use super::response_id::ResponseId;
use super::scan::{Key, ScanSink, Scanner, Value};
use super::told::{Fault, Told};
use super::usage::Usage;

/// Reads what an answer that is not streamed tells, without keeping it: an embedding's vectors or a
/// long completion make a body of megabytes, and the usage stands before them, behind them or amid
/// them.
#[derive(Debug, Default)]
pub struct DocumentReader {
    scanner: Scanner,
    each: Each,
}

/// A document, or an array of them: so llama-server and SGLang answer several prompts on paths of
/// their own.
#[derive(Debug, Default)]
struct Each {
    told: Told,
    is_array: bool,
}

// === impl DocumentReader ===

impl DocumentReader {
    /// Takes the next bytes of the document, split anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.scanner.feed(chunk, &mut self.each);
    }

    /// The document has ended. Says whether it was whole.
    pub fn finish(&mut self) -> bool {
        self.scanner.finish(&mut self.each)
    }

    /// The usage, as far as it was told; of an array, that of its longest answer.
    pub fn usage(&self) -> Usage {
        let usage = self.each.told.counts.usage();
        Usage { is_of_one: usage.is_of_one || self.each.is_array, ..usage }
    }

    /// Its id, as far as it has come.
    pub fn response_id(&self) -> Option<&ResponseId> {
        self.each.told.response_id.as_ref()
    }

    /// The error that it is.
    pub fn fault(&self) -> Option<Fault> {
        self.each.told.fault(false)
    }
}

// === impl Each ===

impl ScanSink for Each {
    fn open(&mut self, path: &[Key], is_object: bool) -> bool {
        let path = if let [Key::Item, within @ ..] = path {
            self.is_array = true;
            within
        } else {
            path
        };
        self.told.open(path, is_object)
    }

    fn scalar(&mut self, path: &[Key], value: Value<'_>) {
        match path {
            [Key::Id] => self.told.take_id(value),
            _ => self.told.scalar(path.strip_prefix(&[Key::Item]).unwrap_or(path), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Told = (Option<u32>, Option<u32>, Option<Fault>, bool);

    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Told {
        let mut reader = DocumentReader::default();
        chunks.into_iter().for_each(|chunk| reader.feed(chunk));
        let whole = reader.finish();
        (reader.usage().prompt_tokens, reader.usage().completion_tokens, reader.fault(), whole)
    }

    const USAGE: &str = r#""usage":{"prompt_tokens":7,"completion_tokens":3}"#;

    #[test]
    fn the_usage_is_found_wherever_it_stands() {
        let ids = format!("[{}1]", "12345,".repeat(100_000));
        for document in [
            format!(r#"{{"id":"x","choices":[{{"text":"hi"}}],{USAGE}}}"#),
            format!("\u{feff}{{\"choices\":[],\n  {}\n}}\n", USAGE.replace(':', " : ")),
            format!(r#"{{{USAGE},"prompt_logprobs":null,"kv_transfer_params":{{"a":[1,{{}}]}},"note":"}}}} \" }}"}}"#),
            format!(r#"{{{USAGE},"prompt_token_ids":{ids}}}"#),
            format!(r#"{{"data":{ids},{USAGE},"prompt_logprobs":[null,{{"1":{{"logprob":-0.5}}}}],"x":{ids}}}"#),
            format!(r#"{{"response":{{"output":[{{"content":"a"}}],{USAGE},"more":{ids}}}}}"#),
            format!(r#"{{{USAGE},"metadata":{{"usage":{{"prompt_tokens":1}}}}}}"#),
            r#"{"content":"hi","stop":true,"timings":{"cache_n":5,"prompt_n":2,"predicted_n":3}}"#.to_owned(),
            r#"{"text":"hi","meta_info":{"prompt_tokens":7,"completion_tokens":3,"finish_reason":{"type":"stop"}}}"#
                .to_owned(),
        ] {
            let beginning = document.get(..80);
            assert_eq!(read([document.as_bytes()]), (Some(7), Some(3), None, true), "{beginning:?}");
            assert_eq!(read(document.as_bytes().chunks(7)), (Some(7), Some(3), None, true), "{beginning:?}");
        }
    }

    #[test]
    fn what_only_looks_like_the_usage_is_not_taken() {
        let quoted = USAGE.replace('"', "\\\"");
        for document in [
            format!(r#"{{"text":"{{{quoted}}}"}}"#),
            format!(r#"{{"text":"{quoted}"}}"#),
            format!(r#"{{"metadata":{{{USAGE}}}}}"#),
            format!(r#"{{"choices":[{{"message":{{{USAGE}}}}}]}}"#),
            format!(r#"[[{{{USAGE}}}]]"#),
            r#"{"a \"usage":{"prompt_tokens":7}}"#.to_owned(),
            r#"{"usage":null}"#.to_owned(),
            r#"{"text":"usage"}"#.to_owned(),
        ] {
            assert_eq!(read([document.as_bytes()]), (None, None, None, true), "{document}");
        }
    }

    #[test]
    fn an_array_tells_of_one_answer_each() {
        for document in [
            r#"[{"content":"a","timings":{"prompt_n":2,"predicted_n":3}},{"content":"b","timings":{"prompt_n":2,"predicted_n":2}}]"#,
            r#"[{"text":"a","meta_info":{"completion_tokens":2}},{"text":"b","meta_info":{"completion_tokens":3}}]"#,
        ] {
            let mut reader = DocumentReader::default();
            reader.feed(document.as_bytes());
            assert!(reader.finish(), "{document}");
            assert_eq!((reader.usage().generated(2), reader.usage().prompts(2)), (Some(6), None), "{document}");
        }
        let failed = r#"[{"content":"a"},{"error":{"code":500,"message":"no"}}]"#;
        assert_eq!(read([failed.as_bytes()]).2, Some(Fault { status: Some(500) }));
    }

    #[test]
    fn a_document_that_is_cut_or_broken_is_not_whole() {
        for document in ["", " ", "{", r#"{"a":"b"#, r#"{"a":[1,2}"#, "{}}", "{} {}", r#"{"a":1"#] {
            assert!(!read([document.as_bytes()]).3, "{document}");
        }
    }

    #[test]
    fn an_error_is_told_with_the_status_that_it_stands_for() {
        let status = |status| Some(Fault { status });
        for (document, fault) in [
            (r#"{"error":{"message":"out of memory","type":"server_error","code":500}}"#, status(Some(500))),
            (r#"{"error":{"message":"no","type":"BadRequestError","param":null,"code":"400"}}"#, status(Some(400))),
            (r#"{"error":{"message":"no","type":"invalid_request_error","code":null}}"#, status(Some(400))),
            (r#"{"error":{"message":"no","code":"context_length_exceeded","type":"server_error"}}"#, status(Some(400))),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, status(Some(529))),
            (r#"{"type":"error","code":"rate_limit_exceeded","message":"later"}"#, status(Some(429))),
            (r#"{"object":"error","message":"no","type":"NotFoundError","code":404}"#, status(Some(404))),
            (r#"{"status":"failed","error":{"code":"server_error","message":"no"},"output":[]}"#, status(None)),
            (r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"x"}}}"#, status(None)),
            (r#"{"error":"the engine has stopped"}"#, status(None)),
            (r#"{"error":"Model is overloaded","error_type":"overloaded"}"#, status(Some(529))),
            (r#"{"error":{}}"#, status(None)),
            (r#"{"choices":[{"text":"","finish_reason":"abort"}]}"#, status(None)),
            (r#"{"text":"","meta_info":{"finish_reason":{"type":"abort","status_code":400}}}"#, status(Some(400))),
            (r#"{"object":"response","status":"completed","error":null,"output":[]}"#, None),
            (r#"{"choices":[{"message":{"content":"{\"error\":1}"},"finish_reason":"stop"}]}"#, None),
            (r#"{"error":false}"#, None),
            (r#"{"type":"message","content":[{"type":"text","text":"error"}],"stop_reason":"end_turn"}"#, None),
        ] {
            assert_eq!(read([document.as_bytes()]).2, fault, "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it_and_splits_do_not_matter(
            noise in prop::collection::vec(prop_oneof![
                Just(USAGE.to_owned()), Just("{".to_owned()), Just("}".to_owned()), Just("\"".to_owned()),
                Just("[".to_owned()), Just("]".to_owned()), Just("\\".to_owned()), Just(",".to_owned()),
                Just("\"error\":".to_owned()), Just("\"code\":429".to_owned()), "[ -~]{0,5}",
            ], 0..24),
            size in 1_usize..40,
        ) {
            let document = format!("{{{}", noise.concat());
            let whole = read([document.as_bytes()]);
            prop_assert_eq!(whole, read(document.as_bytes().chunks(size)));
        }
    }
}
