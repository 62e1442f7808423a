use super::*;

/// All scalars, with the depth that they stand at.
#[derive(Default)]
struct All(Vec<(usize, String)>);

impl ScanSink for All {
    fn open(&mut self, path: &[Key], _: bool) -> bool {
        path.last() != Some(&Key::Details)
    }
    fn scalar(&mut self, path: &[Key], value: Value<'_>) {
        let (Value::Text(token) | Value::Word(token)) = value;
        self.0.push((path.len(), String::from_utf8_lossy(token).into_owned()));
    }
}

fn scalars(document: &str, size: usize) -> Vec<(usize, String)> {
    let (mut scanner, mut all) = (Scanner::default(), All::default());
    document.as_bytes().chunks(size).for_each(|chunk| scanner.feed(chunk, &mut all));
    scanner.finish(&mut all);
    all.0
}

#[test]
fn scalars_are_told_with_their_depth_wherever_a_document_is_split() {
    let document = r#" {"a" : [1,-2.5e3 , true,null], "b\"c":{"d":"x\\"}, "details":{"e":[1,"}"]}, "f":"" } "#;
    let expected = [(2, "1"), (2, "-2.5e3"), (2, "true"), (2, "null"), (2, r"x\\"), (1, "")];
    let expected = expected.map(|(depth, token)| (depth, token.to_owned()));
    for size in 1..document.len() {
        assert_eq!(scalars(document, size), expected, "in chunks of {size}");
    }
}

#[test]
fn of_a_long_scalar_the_beginning_is_told() {
    assert_eq!(scalars(&format!("\"{}\"", "x".repeat(1_000)), 7), [(0, "x".repeat(TOKEN_BYTES))]);
}

#[test]
fn what_lies_too_deep_is_skipped() {
    let document = format!("[{}1{},2]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(scalars(&document, 1_000), [(1, "2".to_owned())]);
}
