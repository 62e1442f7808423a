//! The usage at the end of a JSON document of any size.

use super::usage::{Usage, UsageParts};

/// How much of the document's end is kept. The usage stands within: after it come a few scalars at most.
const TAIL_BYTES: usize = 16 * 1024;
/// How many places that look like a usage are tried, so that no document can make the search long.
const CANDIDATES_MAX: usize = 8;

const KEY: &[u8] = br#""usage""#;

/// Reads the `usage` of a JSON document by its last 16 KiB, without keeping or parsing the rest.
///
/// An embedding's vectors or a long completion make a body of megabytes; the usage stands at its end in every server
/// known. What merely looks like one does not count: a quote inside a string is escaped, and an object that stands
/// deeper has more braces behind it than those of the document.
#[derive(Debug)]
pub struct TailReader {
    tail: Vec<u8>,
    enclosing_max: usize,
}

// === impl TailReader ===

impl Default for TailReader {
    /// For a document whose usage stands at its top level.
    fn default() -> Self {
        Self::within(1)
    }
}

impl TailReader {
    /// For a document whose usage stands in at most `enclosing_max` objects, the document included.
    pub(super) fn within(enclosing_max: usize) -> Self {
        Self { tail: Vec::new(), enclosing_max }
    }

    /// Takes the next bytes of the document, split anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        let kept = chunk.get(chunk.len().saturating_sub(TAIL_BYTES)..).unwrap_or(chunk);
        self.tail.extend_from_slice(kept);
        // Twice the tail is let grow before it is cut, so that each byte is moved once on average.
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
    }

    /// The document's usage, once all of it was fed. A document that was cut short has none.
    pub fn usage(&self) -> Option<Usage> {
        self.parts().usage()
    }

    pub(super) fn parts(&self) -> UsageParts {
        let tail = self.tail.get(self.tail.len().saturating_sub(TAIL_BYTES)..).unwrap_or(&self.tail);
        keys(tail).take(CANDIDATES_MAX).find_map(|after_key| self.parts_behind(after_key)).unwrap_or_default()
    }

    fn parts_behind(&self, after_key: &[u8]) -> Option<UsageParts> {
        let value = after_key.trim_ascii_start().strip_prefix(b":")?;
        let mut values = serde_json::Deserializer::from_slice(value).into_iter::<UsageParts>();
        let parts = values.next()?.ok()?;
        let enclosing = objects_closed(value.get(values.byte_offset()..)?)?;
        (parts.usage().is_some() && (1..=self.enclosing_max).contains(&enclosing)).then_some(parts)
    }
}

/// What follows each key `"usage"` in `json`, the last one first. Within a string the quotes would be escaped.
fn keys(json: &[u8]) -> impl Iterator<Item = &[u8]> {
    (1..json.len()).rev().filter_map(|at| {
        let (before, rest) = json.split_at_checked(at)?;
        rest.strip_prefix(KEY).filter(|_| before.last() != Some(&b'\\'))
    })
}

/// How many enclosing objects `rest`, which follows a value of an object, closes; `None` if it does not end where all
/// that it opens is closed.
fn objects_closed(rest: &[u8]) -> Option<usize> {
    let (mut open, mut closed) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in rest {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => open += 1,
            b'}' | b']' if open > 0 => open -= 1,
            b'}' => closed += 1,
            b']' => return None,
            _ => {}
        }
    }
    (open == 0 && !in_string).then_some(closed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage_of(document: &str) -> Option<(u32, u32)> {
        let mut reader = TailReader::default();
        reader.feed(document.as_bytes());
        reader.usage().map(|usage| (usage.prompt_tokens, usage.completion_tokens))
    }

    const USAGE: &str = r#""usage":{"prompt_tokens":7,"completion_tokens":3}"#;

    #[test]
    fn the_usage_at_the_top_level_is_found() {
        for document in [
            format!(r#"{{"id":"x","choices":[{{"text":"hi"}}],{USAGE}}}"#),
            format!("{{\"choices\":[],\n  {}\n}}\n", USAGE.replace(':', " : ")),
            format!(r#"{{{USAGE},"prompt_logprobs":null,"kv_transfer_params":{{"a":[1,{{}}]}},"note":"}}}} \" }}"}}"#),
        ] {
            assert_eq!(usage_of(&document), Some((7, 3)), "{document}");
        }
    }

    #[test]
    fn what_only_looks_like_the_usage_is_not_taken() {
        let quoted = USAGE.replace('"', "\\\"");
        for document in [
            format!(r#"{{"text":"{{{quoted}}}"}}"#),
            format!(r#"{{"text":"{quoted}"}}"#),
            format!(r#"{{"metadata":{{{USAGE}}}}}"#),
            format!(r#"{{"choices":[{{{USAGE}}}]}}"#),
            format!(r#"[{{{USAGE}}}]"#),
            r#"{"a \"usage":{"prompt_tokens":7}}"#.to_owned(),
            r#"{"usage":null}"#.to_owned(),
            r#"{"text":"usage"}"#.to_owned(),
            format!(r#"{{"choices":[],{USAGE}"#),
            format!(r#"{{"choices":[],{USAGE},"more":"tex"#),
            format!(r#"{{"deeper":{{{USAGE}}},"more":"tex"#),
            format!(r#"{{"deeper":{{{USAGE}}},"more":[1,"#),
            USAGE.to_owned(),
            String::new(),
        ] {
            assert_eq!(usage_of(&document), None, "{document}");
        }
    }

    #[test]
    fn a_deeper_usage_behind_the_real_one_does_not_hide_it() {
        let document = format!(r#"{{{USAGE},"metadata":{{"usage":{{"prompt_tokens":1}}}}}}"#);
        assert_eq!(usage_of(&document), Some((7, 3)));
    }

    #[test]
    fn a_body_of_megabytes_costs_no_more_than_its_tail() {
        let mut reader = TailReader::default();
        reader.feed(br#"{"data":[{"embedding":["#);
        for _ in 0..100_000 {
            reader.feed(b"0.0123456789,");
            assert!(reader.tail.capacity() <= 4 * TAIL_BYTES);
        }
        reader.feed(format!("0]}}],{USAGE}}}").as_bytes());
        assert_eq!(reader.usage(), Some(Usage { prompt_tokens: 7, completion_tokens: 3, cached_tokens: None }));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it_and_splits_do_not_matter(
            filler in 0_usize..40_000,
            noise in prop::collection::vec(prop_oneof![
                Just(USAGE.to_owned()), Just("{".to_owned()), Just("}".to_owned()), Just("\"".to_owned()),
                Just("\\".to_owned()), Just(",".to_owned()), "[ -~]{0,5}",
            ], 0..12),
            cuts in prop::collection::vec(1_usize..20_000, 0..8),
        ) {
            let document = format!("{{\"text\":\"{}\",{USAGE}{}", "x".repeat(filler), noise.concat());
            let mut whole = TailReader::default();
            whole.feed(document.as_bytes());
            let mut split = TailReader::default();
            let mut rest = document.as_bytes();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                split.feed(head);
                rest = tail;
            }
            split.feed(rest);
            prop_assert_eq!(whole.usage(), split.usage());
        }
    }
}
