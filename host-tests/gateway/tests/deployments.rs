//! The configurations below envoy/, as far as one machine can try them: Envoy and the filter take them.

use std::fs;
use std::path::{Path, PathBuf};

use laboratory::gateway::{Envoy, Options, find, path, within};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::Value;
use serde_norway::{Deserializer, Mapping, Value as Yaml};

use crate::common::{Rig, Test, filter, pods, turn};
use crate::sources::Account;

const BASE: &str = "kubernetes/base/envoy.yaml";
const INFERENCE_POOL: &str = "kubernetes/overlays/inference-pool/envoy.yaml";
const OLDER: &str = "kubernetes/overlays/older-envoy/envoy.yaml";

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy").join(file)
}

/// The documents of a file.
fn documents(file: &str) -> anyhow::Result<Vec<Yaml>> {
    let text = fs::read_to_string(shipped(file))?;
    Deserializer::from_str(&text).map(|document| Ok(serde::Deserialize::deserialize(document)?)).collect()
}

/// The value at a place of a document, as JSON.
fn at(document: &mut Yaml, path: &str) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(find(document, path))?)
}

async fn accepted(options: Options) -> Test {
    let _turn = turn()?;
    Ok(Envoy::validate(&options).await?)
}

#[tokio::test]
async fn whole_configurations_are_valid() -> Test {
    let account = Account::new("token")?;
    account.certify("kubernetes.default.svc")?;
    let folder = account.path().display().to_string();
    fs::copy(shipped("kubernetes/base/token.yaml"), account.path().join("token.yaml"))?;
    let wasm = laboratory::gateway::filter()?.display().to_string();
    for file in ["standalone.yaml", "quick-start.yaml", "original-dst.yaml", BASE, INFERENCE_POOL] {
        let text = fs::read_to_string(shipped(file))?
            .replace("target/wasm32-wasip1/release/slo_router.wasm", &wasm)
            .replace("/slo-router/plugin.wasm", &wasm)
            .replace("/var/run/secrets/kubernetes.io/serviceaccount", &folder)
            .replace("/etc/envoy/token.yaml", &format!("{folder}/token.yaml"));
        let _turn = turn()?;
        Envoy::validate_text(&text).await.map_err(|error| anyhow::anyhow!("{file}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn the_configuration_for_older_envoys_is_valid() -> Test {
    let text = fs::read_to_string(shipped(OLDER))?;
    let text = text.replace("/slo-router/plugin.wasm", &laboratory::gateway::filter()?.display().to_string());
    let _turn = turn()?;
    Ok(Envoy::validate_text(&text).await?)
}

/// The lines that say something.
fn settings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).collect()
}

#[test]
fn the_overlay_for_inference_pools_differs_from_its_base_in_the_query_alone() -> Test {
    let [base, overlay] = [fs::read_to_string(shipped(BASE))?, fs::read_to_string(shipped(INFERENCE_POOL))?];
    let expected = base.replace("\"service\": \"llama\"", "\"inference_pool\": \"llama\"");
    assert_eq!(settings(&overlay), settings(&expected));
    Ok(())
}

#[test]
fn the_overlay_for_older_envoys_differs_from_its_base_in_the_way_to_the_api_server_alone() -> Test {
    let [base, overlay] = [fs::read_to_string(shipped(BASE))?, fs::read_to_string(shipped(OLDER))?];
    let expected =
        base.replace("\"cluster\": \"kubernetes\"", "\"cluster\": \"kubernetes\", \"authority\": \"localhost\"");
    assert_eq!(but_the_api_server(&overlay), but_the_api_server(&expected));
    Ok(())
}

/// The lines of all but the cluster `kubernetes`.
fn but_the_api_server(text: &str) -> Vec<&str> {
    let lines = settings(text);
    let place = |name: &str| lines.iter().position(|line| *line == name).expect("the cluster");
    [&lines[..place("  - name: kubernetes")], &lines[place("  - name: admin")..]].concat()
}

#[tokio::test]
async fn the_plugin_configurations_of_istio_and_envoy_gateway_are_taken() -> Test {
    for (file, path) in [
        ("istio/overlays/headers/wasm-plugin.yaml", "spec/pluginConfig"),
        ("istio/overlays/traffic-extension/traffic-extension.yaml", "spec/wasm/pluginConfig"),
        ("envoy-gateway/base/extension-policy.yaml", "spec/wasm/0/config"),
    ] {
        let config = at(&mut documents(file)?[0], path)?;
        assert_eq!(config["request"]["inspect"], "headers", "{file}: the body is not to be had there");
        accepted(Options::new(config, [])).await.map_err(|error| anyhow::anyhow!("{file}: {error}"))?;
    }
    Ok(())
}

/// Lays one value over another: maps are joined, all else takes the other's place.
fn merge(value: &mut Yaml, over: &Yaml) {
    match (value, over) {
        (Yaml::Mapping(value), Yaml::Mapping(over)) => {
            for (key, over) in over {
                merge(value.entry(key.clone()).or_insert(Yaml::Null), over);
            }
        }
        (value, over) => *value = over.clone(),
    }
}

/// Takes a field away, if it is there.
fn without(at: &mut Yaml, field: &str) {
    at.as_mapping_mut().map(|mapping: &mut Mapping| mapping.remove(field));
}

#[test]
fn the_quick_start_has_the_settings_of_the_gateway_for_one_machine() -> Test {
    let settings = |file: &str| -> anyhow::Result<[Yaml; 3]> {
        let mut yaml = documents(file)?.remove(0);
        without(find(&mut yaml, path::PODS), "load_assignment");
        without(find(&mut yaml, path::PODS), "type");
        without(find(&mut yaml, path::CONNECTION_MANAGER), "access_log");
        without(find(&mut yaml, path::PLUGIN), "configuration");
        let is_for_compressed = |filter: &Yaml| filter["name"].as_str().is_some_and(|name| name.ends_with("-requests"));
        let filters = find(&mut yaml, path::HTTP_FILTERS).as_sequence_mut().expect("a list");
        filters.retain(|filter| !is_for_compressed(filter));
        Ok([path::PODS, path::LISTENER, "stats_config"].map(|path| find(&mut yaml, path).clone()))
    };
    assert_eq!(settings("quick-start.yaml")?, settings("standalone.yaml")?);
    Ok(())
}

/// The shipped gateway without what the patches are to bring.
fn plain(yaml: &mut Yaml) {
    without(find(yaml, path::PODS), "load_balancing_policy");
    without(find(yaml, path::PODS), "circuit_breakers");
    without(find(yaml, path::ROUTE), "retry_policy");
    without(find(yaml, path::CONNECTION_MANAGER), "early_header_mutation_extensions");
    without(find(yaml, path::CONNECTION_MANAGER), "stream_idle_timeout");
    without(find(yaml, path::CONNECTION_MANAGER), "path_with_escaped_slashes_action");
    without(find(yaml, path::LISTENER), "per_connection_buffer_limit_bytes");
}

/// Applies an EnvoyFilter of Istio as far as it can be without Istio: its matches are taken to match.
fn apply_envoy_filter(yaml: &mut Yaml, document: &mut Yaml) {
    let patches = find(document, "spec/configPatches").as_sequence().cloned().unwrap_or_default();
    for mut patch in patches {
        let value = find(&mut patch, "patch/value").clone();
        match find(&mut patch, "applyTo").as_str() {
            Some("HTTP_ROUTE") => merge(find(yaml, path::ROUTE), &value["route"]),
            Some("CLUSTER") => merge(find(yaml, path::PODS), &value),
            Some("LISTENER") => merge(find(yaml, path::LISTENER), &value),
            Some("NETWORK_FILTER") => {
                merge(find(yaml, &format!("{}/filter_chains/0/filters/0", path::LISTENER)), &value)
            }
            Some("HTTP_FILTER") => {
                let filters = find(yaml, path::HTTP_FILTERS).as_sequence_mut().expect("the shipped filters");
                filters.retain(|filter| filter["name"] != value["name"]);
                filters.insert(0, value);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn with_istio(options: Options) -> anyhow::Result<Options> {
    let mut documents = documents("istio/base/routing.yaml")?;
    documents.extend(self::documents("istio/overlays/body/envoy-filter.yaml")?);
    let wasm = laboratory::gateway::filter()?.display().to_string();
    Ok(options.change(move |yaml| {
        let configured = find(yaml, path::PLUGIN).get("configuration").cloned().unwrap_or_default();
        plain(yaml);
        documents.clone().iter_mut().for_each(|document| apply_envoy_filter(yaml, document));
        let file = find(yaml, &format!("{}/vm_config/code/local/filename", path::PLUGIN));
        assert_eq!(file.as_str(), Some("/slo-router/plugin.wasm"));
        *file = wasm.as_str().into();
        // Its own configuration names a cluster of Istio's; here the test's pods are to be served.
        *find(yaml, &format!("{}/configuration", path::PLUGIN)) = configured;
    }))
}

#[tokio::test]
async fn istios_patches_make_a_gateway_that_schedules_bodies() -> Test {
    let own = find(&mut documents("istio/overlays/body/envoy-filter.yaml")?[0], "spec/configPatches/1/patch/value")
        .get("typed_config")
        .and_then(|config| config.get("config")?.get("configuration")?.get("value")?.as_str().map(str::to_owned))
        .expect("a configuration");
    accepted(Options::new(serde_json::from_str(&own)?, [])).await?;

    let pods = pods(2, &Plan::Answer(Answer::completion(10, 5)))?;
    let options = with_istio(Options::new(filter(&pods, 1), pods.iter().map(Pod::address)))?;
    obeys_the_filter_alone(Rig::of(pods, options).await?).await
}

/// Applies an EnvoyPatchPolicy to a gateway as Envoy Gateway lays it out.
fn apply_patches(yaml: &mut Yaml, document: &mut Yaml) {
    let patches = find(document, "spec/jsonPatches").as_sequence().cloned().unwrap_or_default();
    for mut patch in patches {
        let value = find(&mut patch, "operation/value").clone();
        let pointer = find(&mut patch, "operation/path").as_str().unwrap_or_default().to_owned();
        let is_cluster = patch["type"].as_str().is_some_and(|kind| kind.ends_with("Cluster"));
        let place = match patch["operation"].get("jsonPath") {
            Some(_) => format!("{}/{pointer}", path::PLUGIN),
            None if is_cluster => format!("{}{pointer}", path::PODS),
            None => format!("{}{}", path::LISTENER, pointer.replace("/default_filter_chain", "/filter_chains/0")),
        };
        *find(yaml, &place) = value;
    }
}

#[tokio::test]
async fn envoy_gateways_patches_make_a_gateway_that_schedules_bodies() -> Test {
    let pods = pods(2, &Plan::Answer(Answer::completion(10, 5)))?;
    let documents = documents("envoy-gateway/base/patch-policy.yaml")?;
    let options = Options::new(filter(&pods, 1), pods.iter().map(Pod::address)).change(move |yaml| {
        plain(yaml);
        let plugin = find(yaml, path::PLUGIN).as_mapping_mut();
        let plugin = plugin.expect("the filter is shipped");
        for field in ["allow_on_headers_stop_iteration", "failure_policy"] {
            plugin.remove(field).expect("the field is shipped");
        }
        apply_patches(yaml, &mut documents[0].clone());
    });
    obeys_the_filter_alone(Rig::of(pods, options).await?).await
}

#[tokio::test]
async fn a_cluster_of_any_address_goes_where_the_filter_says_and_nowhere_else() -> Test {
    for file in ["original-dst.yaml", BASE] {
        let pods = pods(2, &Plan::Answer(Answer::completion(10, 5)))?;
        let cluster = find(&mut documents(file)?[0], path::PODS).clone();
        assert_eq!(cluster["type"], "ORIGINAL_DST");
        let options = Options::new(filter(&pods, 1), pods.iter().map(Pod::address))
            .change(move |yaml| *find(yaml, path::PODS) = cluster.clone());
        obeys_the_filter_alone(Rig::of(pods, options).await?).await?;
    }
    Ok(())
}

/// Both pods get requests, and one that no pool has does not, however a client asks for it.
async fn obeys_the_filter_alone(rig: Rig) -> Test {
    let stranger = Pod::start(Plan::Answer(Answer::status(200)))?;
    for _ in 0..16 {
        let asked = rig.ask().header("x-gateway-destination-endpoint", &stranger.address().to_string());
        let reply = within("an answer", asked.send()).await?;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-slo-router-policy"), Some("slo"));
        let passing =
            rig.client.get("/v1/models").header("x-gateway-destination-endpoint", &stranger.address().to_string());
        assert_eq!(within("an answer", passing.send()).await?.status, 200);
    }
    assert!(rig.counts().iter().all(|count| *count > 0), "{:?}", rig.counts());
    assert_eq!(stranger.arrivals().len(), 0);
    rig.idle().await;
    Ok(())
}
