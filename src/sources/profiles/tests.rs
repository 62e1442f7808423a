use proptest::prelude::*;

use super::*;

const A: &str = r#"{"gpu": "a", "indexes": [[16], [128]], "tputs": [[2]], "e2e": [[0.5]]}"#;
const NAN: &str = r#"{"gpu": "b", "indexes": [[16], [128, 256]], "tputs": [[2, 0]], "e2e": [[0.5, NaN]], "extra": 1}"#;
const NEGATIVE: &str = r#"{"gpu": "c", "indexes": [[16], [128]], "tputs": [[-2]]}"#;

fn keys(document: &ProfileDocument) -> Vec<String> {
    document.profiles.iter().map(|entry| entry.key().to_string()).collect()
}

fn rejections(document: &ProfileDocument) -> Vec<(Option<String>, String)> {
    let rejected = document.rejected.iter();
    rejected.map(|entry| (entry.key.as_ref().map(ToString::to_string), entry.error.to_string())).collect()
}

#[test]
fn a_document_of_profiles_is_read() {
    let text = format!(
        r#"{{"profiles": [{{"deployment": "prod/a", "model": "llama", "profile": {A}}},
                          {{"deployment": "b", "profile": {NAN}}}]}}"#
    );
    let document = parse(text.as_bytes()).unwrap();
    assert_eq!(keys(&document), ["deployment prod/a, model \"llama\"", "deployment default/b, any model"]);
    assert_eq!(document.profiles[0].profile, Profile::from_json(A.as_bytes()).unwrap());
    assert_eq!(document.profiles[1].profile, Profile::from_json(NAN.as_bytes()).unwrap());
    assert_eq!(document.rejected, []);
}

#[test]
fn no_profiles_are_a_document() {
    assert_eq!(parse(br#"{"profiles": []}"#), Ok(ProfileDocument::default()));
}

#[test]
fn a_bare_profile_is_its_gpu_in_the_default_namespace_for_any_model() {
    let document = parse(NAN.as_bytes()).unwrap();
    assert_eq!(keys(&document), ["deployment default/b, any model"]);
    assert_eq!(document.profiles[0].profile, Profile::from_json(NAN.as_bytes()).unwrap());
}

#[test]
fn aibrix_files_are_documents_as_they_are() {
    for (file, name) in [
        (&include_bytes!("../../../tests/data/profiles/simulator-llama2-7b-a100.json")[..], "simulator-llama2-7b-a100"),
        (
            include_bytes!("../../../tests/data/profiles/simulator-llama2-7b-a100_obsoleted_v1.json"),
            "simulator-llama2-7b-a100",
        ),
    ] {
        assert_eq!(keys(&parse(file).unwrap()), [format!("deployment default/{name}, any model")]);
    }
}

#[test]
fn a_bad_entry_does_not_cost_the_others() {
    let text = format!(
        r#"{{"profiles": [{{"deployment": "c", "model": "m", "profile": {NEGATIVE}}},
                          {{"deployment": "a", "profile": {A}}},
                          {{"deployment": "a/b/c", "profile": {A}}},
                          7]}}"#
    );
    let document = parse(text.as_bytes()).unwrap();
    assert_eq!(keys(&document), ["deployment default/a, any model"]);
    assert_eq!(
        rejections(&document),
        [
            (
                Some("deployment default/c, model \"m\"".to_owned()),
                "profiles[0].profile: tputs[0][0]: -2, expected a rate of 0 requests/s or more".to_owned()
            ),
            (
                None,
                "profiles[2].deployment: invalid value: string \"a/b/c\", expected a deployment as \"namespace/name\" or \
                 \"name\", of letters, digits, -, . and _"
                    .to_owned()
            ),
            (None, "profiles[3]: invalid type: integer `7`, expected an object".to_owned()),
        ]
    );
}

#[test]
fn entries_for_the_same_are_all_rejected() {
    let text = format!(
        r#"{{"profiles": [{{"deployment": "a", "profile": {A}}}, {{"deployment": "a", "model": "m", "profile": {A}}},
                          {{"deployment": "default/a", "profile": {A}}}]}}"#
    );
    let document = parse(text.as_bytes()).unwrap();
    assert_eq!(keys(&document), ["deployment default/a, model \"m\""]);
    assert_eq!(
        rejections(&document),
        [(
            Some("deployment default/a, any model".to_owned()),
            "profiles[2]: invalid value: deployment default/a, any model, expected one profile; profiles[0] is for it too"
                .to_owned()
        )]
    );
}

#[test]
fn what_is_no_document_is_an_error() {
    for (text, expected) in [
        ("", "EOF while parsing a value (line 1, column 0)"),
        ("<html>", "expected value (line 1, column 1)"),
        ("[]", "invalid type: sequence, expected an object"),
        (
            "{}",
            "invalid value: an object with neither `profiles` nor `gpu`, expected `profiles`, a list of {deployment, model, profile}, or one profile with its `gpu`",
        ),
        (r#"{"profiles": {}}"#, "profiles: invalid type: map, expected a sequence"),
        (r#"{"profiles": [], "more": 1}"#, "more: unknown field `more`, expected `profiles`"),
        (r#"{"gpu": "a"}"#, "missing field `indexes`"),
        (
            r#"{"gpu": "a b", "indexes": [[1], [1]], "tputs": [[1]]}"#,
            "gpu: invalid value: string \"a b\", expected a deployment as \"namespace/name\" or \"name\", of letters, digits, -, . and _",
        ),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read(bytes in any::<Vec<u8>>()) {
        let _ = parse(&bytes);
    }
}
