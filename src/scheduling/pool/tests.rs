use super::*;
use crate::scheduling::testing::{pod, profile};

fn model(name: &str, base: Option<&str>) -> Model {
    Model { name: name.to_owned(), base: base.map(str::to_owned) }
}

fn entry(deployment: &str, model: Option<&str>, load: f64) -> ProfileEntry {
    let profile = profile(&[(load, 1.0)], 5.0);
    ProfileEntry { deployment: deployment.parse().unwrap(), model: model.map(str::to_owned), profile }
}

fn serving(models: &[&str]) -> Pool {
    Pool::new([PodSpec { models: models.iter().map(ToString::to_string).collect(), ..pod(0, 0, "a") }], &[])
}

#[test]
fn pods_of_one_name_are_one_deployment_wherever_they_stand() {
    let pool = Pool::new([pod(0, 0, "a"), pod(1, 0, "b"), pod(0, 1, "default/a")], &[]);
    let names: Vec<&str> = pool.deployments().iter().map(|deployment| deployment.name.as_str()).collect();
    assert_eq!(names, ["default/a", "default/b"]);
    assert_eq!(pool.pods().iter().map(|pod| pod.deployment).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn identities_outlive_a_change_of_the_pool() {
    let one = Pool::new([pod(0, 0, "a"), pod(1, 0, "b")], &[]);
    let other = Pool::new([pod(1, 0, "b")], &[]);
    assert_eq!(one.pods()[1].id, other.pods()[0].id);
    assert_eq!(one.deployments()[1].id, other.deployments()[0].id);
    assert_ne!(one.pods()[0].id, one.pods()[1].id);
}

#[test]
fn a_pod_serves_the_models_it_names_and_their_adapters() {
    let pool = serving(&["base"]);
    assert!(pool.serves(&model("base", None)) && pool.serves(&model("adapter", Some("base"))));
    assert!(!pool.serves(&model("other", None)) && !pool.serves(&model("adapter", Some("other"))));
    assert!(pool.serves(&Model::ANY));
}

#[test]
fn a_pod_that_names_no_model_serves_any() {
    assert!(serving(&[]).serves(&model("whatever", None)));
    assert!(!Pool::default().serves(&Model::ANY), "no pods, no models");
}

#[test]
fn a_model_has_its_own_profile_else_its_base_s_else_the_deployment_s() {
    let entries = [entry("a", None, 0.1), entry("a", Some("base"), 0.2), entry("a", Some("adapter"), 0.4)];
    let load_of = |entries: &[ProfileEntry], model: &Model| {
        let pool = Pool::new([pod(0, 0, "a")], entries);
        let profile = pool.deployments()[0].profile(model)?;
        Some(profile.load(profile.cell(crate::scheduling::testing::shape(0))).unwrap().as_share())
    };
    let adapter = model("adapter", Some("base"));
    assert_eq!(load_of(&entries, &adapter), Some(0.4));
    assert_eq!(load_of(&entries[..2], &adapter), Some(0.2));
    assert_eq!(load_of(&entries[..1], &adapter), Some(0.1));
    assert_eq!(load_of(&entries[1..2], &model("other", None)), None);
}

#[test]
fn of_two_profiles_for_one_thing_the_last_counts() {
    let pool = Pool::new([pod(0, 0, "a")], &[entry("a", None, 0.1), entry("b", None, 0.2), entry("a", None, 0.4)]);
    let profile = pool.deployments()[0].profile(&Model::ANY).unwrap();
    assert_eq!(*profile, entry("a", None, 0.4).profile);
}

#[test]
fn names_that_clients_make_up_are_one_audience() {
    let listing = |name: &str| PodSpec { models: vec![name.to_owned()], ..pod(0, 1, "a") };
    let pool = Pool::new([pod(0, 0, "a"), listing("listed")], &[entry("a", Some("profiled"), 0.1)]);
    let id = |name: &str, base| pool.audience(&model(name, base)).id();
    assert_eq!(id("made-up", None), id("another", None));
    assert_ne!(id("made-up", None), id("listed", None));
    assert_ne!(id("made-up", None), id("profiled", None));
    assert_eq!(id("adapter", Some("listed")), id("other-adapter", Some("listed")));
    assert_eq!(pool.audience(&model("made-up", None)).pods(), [0]);
    assert_eq!(pool.audience(&model("adapter", Some("listed"))).pods(), [0, 1]);
}

#[test]
fn names_that_the_same_pods_list_are_one_audience() {
    let spec = |number| PodSpec { models: vec!["one".to_owned(), "two".to_owned()], ..pod(0, number, "a") };
    let pool = Pool::new([spec(0), spec(1), PodSpec { models: vec!["one".to_owned()], ..pod(0, 2, "a") }], &[]);
    let alike = Pool::new([spec(0), spec(1)], &[]);
    let ids = |pool: &Pool| ["one", "two"].map(|name| pool.audience(&model(name, None)).id());
    assert_eq!(ids(&alike)[0], ids(&alike)[1]);
    assert_ne!(ids(&pool)[0], ids(&pool)[1]);
}

#[test]
fn a_subset_is_an_audience_of_its_own() {
    let pool = Pool::new([pod(0, 0, "a"), pod(1, 0, "b")], &[]);
    let within = |text: &str| pool.audience_within(&Model::ANY, Some(&Subset::of([text])));
    assert_eq!((within("10.0.1.0").pods(), within("10.0.1.0").deployments()), (&[1][..], &[1][..]));
    assert!(within("10.0.1.0").contains(1) && !within("10.0.1.0").contains(0));
    assert_ne!(within("10.0.1.0").id(), within("10.0.0.0").id());
    assert!(within("10.9.9.9").pods().is_empty());
}
