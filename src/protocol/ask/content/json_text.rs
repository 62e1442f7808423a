//! The length of JSON as a template writes it: without the white space of whoever sent it, its escapes resolved where it
//! would not write them.

/// Characters of a JSON text. It is taken to be valid.
pub(super) fn characters(json: &str) -> u64 {
    let mut count = 0_usize;
    let mut rest = json;
    while let Some((structure, after)) = rest.split_once('"') {
        let (length, behind) = string(after);
        count = count.saturating_add(tight(structure)).saturating_add(length).saturating_add(2);
        rest = behind;
    }
    u64::try_from(count.saturating_add(tight(rest))).unwrap_or(u64::MAX)
}

/// What is between strings: one space follows each comma and colon, and there is no other.
fn tight(structure: &str) -> usize {
    let written = structure.bytes().filter(|byte| !byte.is_ascii_whitespace());
    written.map(|byte| if matches!(byte, b',' | b':') { 2 } else { 1 }).sum()
}

/// The length of a string whose quote came, and what is behind it.
fn string(text: &str) -> (usize, &str) {
    let mut count = 0_usize;
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
        let (part, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        count = count.saturating_add(part.chars().count());
        if from.starts_with('"') {
            return (count, from.get(1..).unwrap_or_default());
        }
        // `\u00e9` stands for one character; `\n` and its like are written as they came.
        let (escape, length) = if from.starts_with("\\u") { (6, 1) } else { (2, 2) };
        count = count.saturating_add(length);
        rest = from.get(escape..).unwrap_or_default();
    }
    (count.saturating_add(rest.chars().count()), "")
}

#[cfg(test)]
mod tests {
    use super::characters;

    #[test]
    fn json_is_as_long_as_a_template_writes_it() {
        for (json, written) in [
            (r#"{"a":1,"b":[true,null]}"#, r#"{"a": 1, "b": [true, null]}"#),
            ("{\n    \"a\" : 1 ,\n    \"b\" : [ true ]\n}", r#"{"a": 1, "b": [true]}"#),
            (r#"{"a":"two  words","b":"caf\u00e9"}"#, r#"{"a": "two  words", "b": "café"}"#),
            (r#"["a\n\"b\"\\"]"#, r#"["a\n\"b\"\\"]"#),
            (r#""""#, r#""""#),
            ("12.5", "12.5"),
        ] {
            assert_eq!(characters(json), written.chars().count() as u64, "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_measured_all_the_same() {
        for json in ["", "\"", "\"\\", "\"\\u", "{\"a", "\"é\\ué\""] {
            assert!(characters(json) <= 3 + json.len() as u64, "{json}");
        }
    }
}
