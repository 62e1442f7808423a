use slo_router::sources::profiles::parse;

use super::*;

const PROFILE: &str = r#"{"gpu": "a10", "deployment": "ns/a10", "model": "m", "created": 1.0,
    "slos": {"percentile": 90, "e2e": 5.0}, "indexes": [[16], [64]], "tputs": [[8.0]], "e2e": [[1.0]]}"#;

#[test]
fn the_filter_reads_what_is_published() {
    let read = parse(document(&entries(PROFILE.as_bytes()).unwrap()).as_bytes()).unwrap();
    assert_eq!(read.complaint(), None);
    let [entry] = read.profiles.as_slice() else { panic!("{read:?}") };
    assert_eq!((entry.deployment.to_string().as_str(), entry.model.as_deref()), ("ns/a10", Some("m")));
}

#[test]
fn a_profile_of_aibrix_belongs_to_the_default_namespace() {
    let bare = PROFILE.replace(r#""deployment": "ns/a10", "model": "m", "#, "");
    let entries = entries(bare.as_bytes()).unwrap();
    assert_eq!((entries[0].deployment.as_str(), entries[0].model.as_deref()), ("default/a10", None));
    assert!(redis_key(&entries[0]).unwrap_err().to_string().contains("--model"));
}

#[test]
fn what_the_filter_would_refuse_is_not_published() {
    let error = entries(PROFILE.replace("[[8.0]]", "[[-8.0]]").as_bytes()).unwrap_err().to_string();
    assert!(error.contains("tputs[0][0]"), "{error}");
}

#[test]
fn a_config_map_holds_the_document() {
    let entries = entries(PROFILE.as_bytes()).unwrap();
    let manifest = config_map(&entries, "profiles", "gateway");
    let (head, body) = manifest.split_once("  profiles.json: |\n").unwrap();
    assert_eq!(head, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: profiles\n  namespace: gateway\ndata:\n");
    let body: String = body.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap())).collect();
    assert_eq!(body, document(&entries));
}

#[test]
fn aibrixs_key_names_model_and_deployment() {
    assert_eq!(redis_key(&entries(PROFILE.as_bytes()).unwrap()[0]).unwrap(), "aibrix:profile_m_a10");
}
