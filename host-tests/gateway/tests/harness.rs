//! The harness itself, and what the shipped configuration promises without the filter.

use laboratory::client::Client;
use laboratory::gateway::{Envoy, Options, find, path, until};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::json;

use crate::common::{self, Test};

/// The shipped gateway with its filter taken out.
fn without_filter(pods: &[Pod]) -> Options {
    Options::new(json!({}), pods.iter().map(Pod::address)).change(|yaml| {
        let filters = find(yaml, path::HTTP_FILTERS).as_sequence_mut();
        filters.into_iter().for_each(|filters| filters.retain(|filter| filter["name"] != "slo-router"));
    })
}

/// A stock filter in the place of ours that names this pod.
fn naming(options: Options, pod: std::net::SocketAddr) -> Options {
    options.change(move |yaml| {
        let mutation = json!({
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": { "request_mutations": [{ "append": {
                    "header": { "key": "x-gateway-destination-endpoint", "value": pod.to_string() },
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                } }] },
            },
        });
        let mutation = serde_norway::to_value(mutation).unwrap();
        find(yaml, path::HTTP_FILTERS).as_sequence_mut().unwrap().insert(0, mutation);
    })
}

#[tokio::test]
async fn shipped_configuration_is_valid() -> Test {
    let _turn = common::turn()?;
    let pods = common::pods(1, &Plan::Hold)?;
    let addresses = pods.iter().map(Pod::address);
    Envoy::validate(&Options::new(common::filter(&pods, 4), addresses)).await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_envoys_words() -> Test {
    let _turn = common::turn()?;
    let options = without_filter(&[]).change(|yaml| *find(yaml, "admin/no_such_field") = 1.into());
    let validated = Envoy::validate(&options).await.unwrap_err().to_string();
    assert!(validated.contains("no_such_field"), "{validated}");
    let started = Envoy::start(options).await.unwrap_err().to_string();
    assert!(started.contains("no_such_field"), "{started}");
    Ok(())
}

#[tokio::test]
async fn a_request_goes_to_the_named_pod() -> Test {
    let _turn = common::turn()?;
    let pods = common::pods(5, &Plan::Answer(Answer::completion(10, 5)))?;
    let envoy = Envoy::start(naming(without_filter(&pods), pods[3].address())).await?;
    for client in [Client::http1(envoy.address()), Client::http2(envoy.address()).await?] {
        for _ in 0..10 {
            let reply = client.post("/v1/chat/completions").json(&common::chat()).send().await?;
            assert_eq!(reply.json()["usage"]["total_tokens"], 15);
        }
    }
    let counts: Vec<usize> = pods.iter().map(|pod| pod.arrivals().len()).collect();
    assert_eq!(counts, [0, 0, 0, 20, 0]);
    assert_eq!(pods[3].arrivals()[19].json(), common::chat());
    Ok(())
}

#[tokio::test]
async fn a_clients_own_header_names_no_pod() -> Test {
    let _turn = common::turn()?;
    let pods = common::pods(2, &Plan::Answer(Answer::completion(10, 5)))?;
    let envoy = Envoy::start(without_filter(&pods)).await?;
    let client = Client::http1(envoy.address());
    for _ in 0..20 {
        let named = pods[1].address().to_string();
        client.get("/v1/models").header("x-gateway-destination-endpoint", &named).send().await?;
    }
    let arrivals: Vec<_> = pods.iter().flat_map(|pod| pod.arrivals()).collect();
    assert_eq!(arrivals.len(), 20);
    assert!(arrivals.iter().all(|arrival| arrival.header("x-gateway-destination-endpoint").is_none()));
    assert!(!pods[0].arrivals().is_empty(), "the fallback balances over all pods");
    Ok(())
}

#[tokio::test]
async fn profiles_are_served_from_a_file() -> Test {
    let _turn = common::turn()?;
    // Through the gateway's own route, as the listener of the profiles has no port here.
    let options = without_filter(&[]).change(|yaml| {
        let route = format!("{}/route_config/virtual_hosts/0/routes/0/route/cluster", path::CONNECTION_MANAGER);
        *find(yaml, &route) = "profiles".into();
    });
    let envoy = Envoy::start(options).await?;
    let reply = Client::http1(envoy.address()).get("/profiles.json").send().await?;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.json()["profiles"].is_array(), "{}", reply.text());
    Ok(())
}

#[tokio::test]
async fn a_pod_counts_what_runs_on_it() -> Test {
    let pod = Pod::start(Plan::Hold)?;
    let client = Client::http1(pod.address());
    let first = client.post("/").start();
    let second = client.post("/").start();
    pod.arrival(1).await;
    assert_eq!((pod.running(), pod.held()), (2, vec![0, 1]));
    let pace = pod.answer_paced(0, Answer::events());
    pace.send("data: a\n\n");
    drop(second);
    until("the client is seen to have left", async || pod.held().is_empty() && pod.running() == 1).await;
    pace.end();
    assert_eq!(first.reply().await?.text(), "data: a\n\n");
    assert_eq!((pod.running(), pod.most_running()), (0, 2));
    Ok(())
}

#[tokio::test]
async fn a_pod_breaks_answers_off() -> Test {
    let pod = Pod::start(Plan::Answer(Answer::events().part("data: a\n\n").breaks_off()))?;
    let client = Client::http1(pod.address());
    let mut answer = client.post("/").open().await?;
    assert_eq!(answer.next().await?.as_deref(), Some(&b"data: a\n\n"[..]));
    assert!(answer.next().await.is_err());
    pod.plan(Plan::Close);
    assert!(client.post("/").open().await.is_err());
    assert_eq!(pod.running(), 0);
    Ok(())
}

#[tokio::test]
async fn a_pod_refuses_and_accepts_again() -> Test {
    let mut pod = Pod::start(Plan::Answer(Answer::status(204)))?;
    let client = Client::http1(pod.address());
    pod.refuse().await;
    assert!(matches!(client.get("/").send().await, Err(laboratory::client::Error::Connect(_))));
    pod.accept();
    assert_eq!(client.get("/").send().await?.status, 204);
    Ok(())
}
