use super::*;

const GOOD: &str = r#"{"gpu": "a", "cost": 1.0, "created": 1.0, "slos": {"percentile": 90, "e2e": 5.0},
    "indexes": [[16, 32], [64, 128]], "tputs": [[8.0, 6.0], [4.0, 3.0]], "e2e": [[1.0, 1.2], [2.0, 2.4]],
    "ttft": [[0.1, 0.2], [0.1, 0.2]]}"#;

/// Findings on the good profile with one thing changed.
#[track_caller]
fn said(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let findings: Vec<_> = check(GOOD.replacen(from, to, 1).as_bytes()).iter().map(ToString::to_string).collect();
    findings.join("\n")
}

#[test]
fn a_good_profile_has_no_findings() {
    assert_eq!(check(GOOD.as_bytes()), []);
}

#[test]
fn what_the_filter_would_refuse_is_an_error_with_its_cell() {
    for (from, to, expected) in [
        ("{\"gpu\"", "{\"gpu", "error: the file: it is no JSON"),
        ("\"gpu\": \"a\", ", "", "error: gpu: it is missing"),
        ("[4.0, 3.0]", "[4.0, -3.0]", "error: tputs[1][1]: it is -3.0"),
        ("[4.0, 3.0]", "[4.0]", "error: tputs[1]: it has 1 cells, indexes[1] has 2 ticks"),
        ("[16, 32]", "[32, 16]", "error: indexes[0][1]: it is 16 after 32"),
        ("[2.0, 2.4]", "[2.0, \"x\"]", "error: e2e[1][1]: it is \"x\""),
    ] {
        let said = said(from, to);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn all_errors_come_at_once() {
    let broken = GOOD.replace("[8.0, 6.0]", "[-8.0, -6.0]").replace("\"cost\": 1.0", "\"cost\": -1");
    assert_eq!(check(broken.as_bytes()).iter().filter(|finding| finding.is_error).count(), 3);
}

#[test]
fn what_is_suspicious_is_a_warning_with_its_shape() {
    for (from, to, expected) in [
        ("[4.0, 3.0]", "[4.0, NaN]", "warning: tputs[1][1]: there is no number"),
        ("[4.0, 3.0]", "[40.0, 3.0]", "tputs[1][0] (output 32 x input 64): the rate 40 is higher than 8"),
        ("[2.0, 2.4]", "[0.05, 2.4]", "e2e[1][0] (output 32 x input 64): 0.05 s is below the 0.1 s"),
        ("[2.0, 2.4]", "[9.0, 2.4]", "above the SLO's 5 s, so it is late on an idle pod"),
        ("[4.0, 3.0]", "[4.0, 0.1]", "one request is 4.17 pods, more than an idle pod can hold"),
        ("[[0.1, 0.2]", "[[0.00001, 0.2]", "is faster than any server"),
        ("\"e2e\": 5.0", "\"tput\": 5.0", "warning: slos: it states no objective"),
        ("\"created\": 1.0, ", "", "warning: created: it is missing"),
    ] {
        let said = said(from, to);
        assert!(said.contains(expected) && !said.contains("error:"), "{said}");
    }
}

#[test]
fn the_findings_of_a_document_name_the_profile() {
    let document =
        format!(r#"{{"profiles": [{{"deployment": "a/b", "profile": {}}}]}}"#, GOOD.replace("[4.0, 3.0]", "[4.0]"));
    assert!(check(document.as_bytes())[0].place.starts_with("profiles[0].tputs[1]"));
    let twice = format!(
        r#"{{"profiles": [{{"deployment": "a/b", "profile": {GOOD}}}, {{"deployment": "a/b", "profile": {GOOD}}}]}}"#
    );
    assert!(check(twice.as_bytes())[0].is_error);
}

#[test]
fn the_shipped_profiles_are_accepted() {
    let texts = [include_bytes!("../../demo.json").as_slice(), include_bytes!("../../samples/llama-h100.json")];
    let findings: Vec<Finding> = texts.into_iter().flat_map(check).collect();
    assert!(findings.iter().all(|finding| !finding.is_error), "{findings:?}");
}
