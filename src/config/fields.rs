//! Fields of the configuration, in one table: the page of reference is made of it, and a test holds
//! it against what is read.

/// Field of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigField {
    /// Path from the document's top. `[]` stands for each element of a list, `NAME` for any key;
    /// [`SOURCE`] and [`OBJECTIVE`] for the places that share fields.
    pub path: &'static str,
    /// Value that it has without being written, as JSON; empty where it is absent then.
    pub default: &'static str,
    /// Meaning, in Markdown.
    pub meaning: &'static str,
}

/// Stands in paths for the places of [`SOURCES`].
pub const SOURCE: &str = "SOURCE";
/// Sources that are asked for documents.
pub const SOURCES: [&str; 6] =
    ["pods.http", "pods.envoy", "pods.kubernetes", "profiles.http", "profiles.config_map", "profiles.webdis"];

/// Stands in paths for the places of [`OBJECTIVES`].
pub const OBJECTIVE: &str = "OBJECTIVE";
/// Places of objectives.
pub const OBJECTIVES: [&str; 3] = ["slo.default", "models.NAME.slo", "classes[].slo"];

const fn field(path: &'static str, default: &'static str, meaning: &'static str) -> ConfigField {
    ConfigField { path, default, meaning }
}

/// All fields, in the order of the page.
pub const FIELDS: &[ConfigField] = &[
    field("pool", r#""default""#, "Names the pool in metrics and in shared data; one pool has one configuration."),
    field("policy", r#""slo-attainment""#, "Policy of requests that ask for none."),
    field("allowed_strategies", "[]", "Policies that requests may ask for by the header `routing-strategy`."),
    field(
        "fallback_policy",
        r#""least-request""#,
        "Or `\"random\"`: for what no profile can judge, and for traffic that is not scheduled.",
    ),
    field("request.inspect", r#""body""#, "`\"headers\"` never touches the body."),
    field(
        "request.paths",
        r#"["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"]"#,
        "A POST on one of these is scheduled, whatever stands before it; also under Azure's `/openai/deployments/NAME/`.",
    ),
    field(
        "request.prompt_tokens",
        r#""estimate""#,
        "`\"exact\"` counts prompts with cl100k; it needs the artefact of `make build-exact`.",
    ),
    field(
        "request.image_tokens",
        "256",
        "Tokens that an image of a prompt counts, and a sound, film, file or stored conversation.",
    ),
    field(
        "request.session_header",
        "",
        "Header that names a session, in lower case, such as `x-session-id`: where the body is not read, its requests are taken to begin \
         with the last one's prompt (see `prefix`). It is a preference, not a pin.",
    ),
    field(
        "ready_path",
        r#""/slo-router/ready""#,
        "A GET of this path is answered by the filter: 200 once its pods are known, 503 before. `null`: none is.",
    ),
    field(
        "models.NAME.base",
        "",
        "Model that the adapter (LoRA) of this name belongs to; it shares that one's pods and profiles.",
    ),
    field("models.NAME.slo", "", "Objective of requests for this model."),
    field("default_model", "", "Model of requests that name none."),
    field("classes[].name", "", "Name of the class in metrics. The first class that matches a request is its class."),
    field("classes[].header.name", "", "Header by which requests belong to the class, in lower case."),
    field("classes[].header.value", "", "Value of that header."),
    field("classes[].model", "", "Model whose requests belong to the class; with `header`, both must match."),
    field("classes[].weight", "1", "Worth of keeping the objective of one of its requests, to `slo-attainment`."),
    field("classes[].slo", "", "Objective of its requests."),
    field(
        "deployments.NAME.max_concurrent_requests",
        "",
        "Requests at once on each pod of the deployment `namespace/name`, under every policy, such as the slots of its server \
         (`-np`, `--max-num-seqs`); what finds none free waits.",
    ),
    field(
        "slo.default",
        "",
        "Objective where nothing else states one. A profile's own goes before it, which the log and `slo-router check` say.",
    ),
    field("slo.allow_headers", "true", "`false`: what requests state of objectives in headers counts nothing."),
    field(
        "slo.infeasible",
        r#""serve""#,
        "Requests that no idle pod could serve in time: serve as late ones, or `\"reject\"`. Of those that are so by an estimate \
         of their length alone one a second, or one of eight, is let through to learn from.",
    ),
    field("slo.prefer", r#""slack""#, "Or `\"cheapest\"`: pull policies try deployments by `cost` of their profiles."),
    field(
        "slo.late_cost_per_s",
        "0.3",
        "Cost of a second of lateness under `slo-attainment`, in kept objectives: the more, the sooner what has missed its \
         objectives is served.",
    ),
    field(
        "slo.late_budget",
        "0.01",
        "Share of kept objectives that `slo-attainment` may give up for that; with `0` late requests wait for calm moments, or \
         for `queue.max_wait`.",
    ),
    field(
        "prediction.kind",
        r#""median""#,
        "Estimate of an output's length: the median of the recent ones, or `\"draw\"`: one of them at random, as AIBrix does.",
    ),
    field("prediction.cold", "256", "Output tokens before anything was seen (1 with `draw`)."),
    field("capacity.default_concurrency", "", "Requests at once on a pod without a profile; absent: any number."),
    field("queue.max_requests", "4096", "Requests that wait at once, in all workers together; more get a 429."),
    field("queue.max_wait", r#""60s""#, "Longest wait; then a 429."),
    field(
        "queue.late",
        r#""last""#,
        "Requests that cannot make it any more, under the pull policies: `\"first\"` (AIBrix's order), or `\"reject\"`.",
    ),
    field(
        "prefix",
        r#""route""#,
        "Use of what pods hold in their prefix caches, as `slo-attainment` and `lmetric` know it from the prompts that they sent \
         there: requests are placed by it; or `\"learn\"`: it is only learned and counted; or `\"off\"`: prompts are not hashed, nor the ids of stored \
         responses.",
    ),
    field("pods.static[].address", "", "Address of a pod, `ip:port`."),
    field("pods.static[].deployment", "", "Its deployment, `namespace/name`: one GPU type with one server setup."),
    field("pods.static[].models", "", "Models that it serves; absent: any."),
    field(
        "pods.http.path",
        "",
        "Path of a pod document: `{\"pods\": [{\"address\": …, \"deployment\": …, \"models\": […]}]}`.",
    ),
    field("pods.envoy.clusters[].name", "", "A cluster of Envoy's whose endpoints are pods, with their health."),
    field("pods.envoy.clusters[].deployment", "", "Their deployment."),
    field(
        "pods.envoy.clusters[].deployment_from",
        "",
        "Or the part of the endpoints' locality that names it: `\"region\"`, `\"zone\"` or `\"sub_zone\"`.",
    ),
    field("pods.envoy.clusters[].models", "", "Models that they serve; absent: any."),
    field("pods.kubernetes.namespace", "", "Namespace of the pods."),
    field("pods.kubernetes.service", "", "Service whose endpoints they are; or `inference_pool`, or `selector`."),
    field("pods.kubernetes.port_name", "", "Name of its port, where it has several."),
    field("pods.kubernetes.inference_pool", "", "`InferencePool` whose pods they are."),
    field("pods.kubernetes.selector", "", "Labels of the pods, as for `kubectl -l`."),
    field(
        "pods.kubernetes.port",
        "",
        "Port of pods that are found by `selector`, where no label `model.aibrix.ai/port` says it; absent: 8000.",
    ),
    field("pods.kubernetes.deployment_label", "", "Label that names a pod's deployment; absent: its owner does."),
    field(
        "pods.kubernetes.models",
        "",
        "Models that the pods serve; absent: what the label `model.aibrix.ai/name` says, else any.",
    ),
    field(
        "profiles.correct",
        "true",
        "What responses show corrects what profiles say of a deployment's and a pod's speed. `false`: pending loads and expected \
         latencies are the profile's, as in AIBrix.",
    ),
    field(
        "profiles.inline[].deployment",
        "",
        "Deployment of a profile that is written here. One that is fetched for the same deployment and model takes its place.",
    ),
    field("profiles.inline[].model", "", "Its model; absent: any."),
    field(
        "profiles.inline[].profile",
        "",
        "The profile: AIBrix's fields `gpu`, `cost`, `tputs`, `indexes`, `e2e`, `ttft`, `tpot`, `slos`, `created`.",
    ),
    field(
        "profiles.http.path",
        "",
        "Path of a profile document: `{\"profiles\": [{\"deployment\": …, \"model\": …, \"profile\": …}]}`, or one bare profile of AIBrix.",
    ),
    field(
        "profiles.config_map.namespace",
        "",
        "Namespace of a ConfigMap of Kubernetes, each value of which is a profile document.",
    ),
    field("profiles.config_map.name", "", "Its name."),
    field(
        "profiles.webdis.namespace",
        r#""default""#,
        "Namespace of deployments whose key in Redis does not say it as `namespace/name`; the keys are AIBrix's.",
    ),
    field("SOURCE.cluster", "", "Envoy's cluster that is asked."),
    field("SOURCE.authority", "", "Host that is asked for; absent: the cluster's name."),
    field(
        "SOURCE.interval",
        "",
        "Time from one fetch to the next: `\"10s\"` where it is absent, `\"2s\"` of `pods.envoy` and `pods.kubernetes`. For pods at \
         once, but at most once a second, where a pod fails or none is ready. What takes more than three answers is asked for half a \
         second later for each more.",
    ),
    field("SOURCE.timeout", r#""2s""#, "Longest time that one answer may take."),
    field(
        "replicas.webdis.cluster",
        "",
        "Cluster of a [Webdis](https://webd.is) by which gateways before the same pods meet.",
    ),
    field("replicas.webdis.authority", "", "Host that is asked for; absent: the cluster's name."),
    field("replicas.interval", r#""100ms""#, "Time between two meetings."),
    field("replicas.timeout", r#""500ms""#, "Longest time that an answer may take."),
    field("replicas.expire", r#""2s""#, "Time after which a gateway that fell silent is given up."),
    field("replicas.expected", "1", "Gateways that there are at least."),
    field("replicas.slots", "32", "Gateways that there are at most."),
    field("replicas.secret", "", "64 hexadecimal digits by which gateways tell each other where prompts went."),
    field("upstream.header", r#""x-gateway-destination-endpoint""#, "Header that names the pod to Envoy."),
    field("upstream.alternatives", "0", "Other pods that the header names after it, for retries."),
    field(
        "upstream.alternative_headers",
        "",
        "Headers that name one other pod each, for a cluster that reads one address (`ORIGINAL_DST`); in place of `alternatives`.",
    ),
    field(
        "upstream.subset_hint",
        "false",
        "`true`: keep to the endpoints that a gateway before the filter allows (Endpoint Picker Protocol).",
    ),
    field("response.show_pod", "false", "`true`: tell clients the pod in `x-slo-router-pod`."),
    field("OBJECTIVE.ttft", "", "Kept if the first token comes within it."),
    field("OBJECTIVE.tpot", "", "Kept if (end − first token) / (output tokens − 1) is at most this."),
    field("OBJECTIVE.e2e", "", "Kept if the response ends within it."),
    field(
        "OBJECTIVE.e2e_per_output_token",
        "",
        "Kept if the response ends within `e2e_base` and this much for each output token.",
    ),
    field("OBJECTIVE.e2e_base", "", "See `e2e_per_output_token`; absent: 0."),
    field(
        "OBJECTIVE.e2e_per_token",
        "",
        "Kept if the response ends within this much for each token of input and output.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    /// The paths that a path of the table stands for.
    fn expanded(path: &'static str) -> Vec<String> {
        let places = |places: &[&str], rest: &str| places.iter().map(|place| format!("{place}{rest}")).collect();
        match (path.strip_prefix(SOURCE), path.strip_prefix(OBJECTIVE)) {
            (Some(rest), _) => places(&SOURCES, rest),
            (_, Some(rest)) => places(&OBJECTIVES, rest),
            (None, None) => vec![path.to_owned()],
        }
    }

    /// A document that has this value at this path and nothing else.
    fn document(path: &str, value: Value) -> Value {
        path.rsplit('.').fold(value, |inner, part| match part.strip_suffix("[]") {
            Some(list) => json!({ list: [inner] }),
            None if part == "NAME" => json!({ "a/b": inner }),
            None => json!({ part: inner }),
        })
    }

    /// Fields that an object has, as the error of one that it has not tells them.
    fn read_fields(path: &str) -> BTreeSet<String> {
        let wrong = if path.is_empty() { "no_such".to_owned() } else { format!("{path}.no_such") };
        let document = document(&wrong, json!(1)).to_string();
        let error = Config::from_json(document.as_bytes()).unwrap_err().to_string();
        let (_, expected) = error.split_once("expected ").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_table_has_each_field_that_is_read_and_no_other() {
        let mut objects: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in FIELDS.iter().flat_map(|field| expanded(field.path)) {
            let mut rest = path.as_str();
            loop {
                let (object, name) = rest.rsplit_once('.').unwrap_or(("", rest));
                if name != "NAME" {
                    objects.entry(object.to_owned()).or_default().insert(name.trim_end_matches("[]").to_owned());
                }
                if object.is_empty() {
                    break;
                }
                rest = object;
            }
        }
        // Their keys are names.
        objects.retain(|object, _| !["models", "deployments"].contains(&object.as_str()));
        assert!(objects.len() > 20);
        for (object, fields) in objects {
            assert_eq!(read_fields(&object), fields, "{object}");
        }
    }

    /// Puts a value at a path of a document.
    fn put(document: &mut Value, path: &str, value: Value) {
        let mut at = document;
        for part in path.split('.') {
            at = match part.strip_suffix("[]") {
                Some(list) => &mut at[list][0],
                None => &mut at[part],
            };
        }
        *at = value;
    }

    #[test]
    fn a_default_that_is_written_changes_nothing() {
        let with = |path: &str, value: Option<Value>| {
            let mut document = json!({
                "pods": { "http": { "cluster": "c", "path": "/" } },
                "profiles": { "webdis": { "cluster": "c" } },
                "replicas": { "webdis": { "cluster": "c" } },
                "classes": [{ "name": "a", "model": "m" }],
                "slo": { "default": { "e2e_per_output_token": "1s" } },
            });
            if path.starts_with("pods.envoy.") {
                document["pods"] =
                    json!({ "envoy": { "cluster": "c", "clusters": [{ "name": "a", "deployment": "a/b" }] } });
            }
            if path.starts_with("pods.kubernetes.") {
                document["pods"] = json!({ "kubernetes": { "cluster": "c", "namespace": "a", "service": "b" } });
            }
            value.into_iter().for_each(|value| put(&mut document, path, value));
            let mut config = Config::from_json(document.to_string().as_bytes()).unwrap();
            config.fingerprint = 0;
            config
        };
        for field in FIELDS.iter().filter(|field| !field.default.is_empty()) {
            let path = field.path.replace(SOURCE, "pods.http").replace(OBJECTIVE, "slo.default");
            let value = serde_json::from_str(field.default).unwrap();
            assert_eq!(with(&path, Some(value)), with(&path, None), "{path}");
        }
    }
}
