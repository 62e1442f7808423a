//! Pods and callouts that fail.

use std::time::Instant;

use laboratory::gateway::{Options, find, path, until, within};
use laboratory::server::scripted::{Answer, Plan, Pod};
use serde_json::{Value, json};

use crate::common::{DEPLOYMENT, Rig, Test, entry, filter, pods, profile};

/// Names the pod.
const DESTINATION: &str = "x-gateway-destination-endpoint";

/// Envoy sends no request a second time, so that clients see what pods do.
fn without_retries(options: Options) -> Options {
    options.change(|yaml| drop(find(yaml, path::ROUTE).as_mapping_mut().map(|route| route.remove("retry_policy"))))
}

/// Two pods that answer, of which each takes four at once.
async fn two_without_retries() -> anyhow::Result<Rig> {
    Rig::start(2, &Plan::Answer(done()), 4, |_| {}, without_retries).await
}

fn done() -> Answer {
    Answer::completion(10, 5)
}

#[tokio::test]
async fn a_reset_before_the_answer_frees_the_room() -> Test {
    let rig = Rig::start(1, &Plan::Hold, 1, |_| {}, without_retries).await?;
    let broken = rig.ask().start();
    rig.pods[0].arrival(0).await;
    let waits = rig.ask().start();
    rig.waiting(1).await;
    rig.pods[0].close(0);
    assert_eq!(within("an answer", broken.reply()).await?.status, 503);
    rig.pods[0].arrival(1).await;
    rig.pods[0].answer(1, done());
    assert_eq!(within("an answer", waits.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_reset_in_mid_stream_frees_the_room() -> Test {
    let rig = Rig::holding(1, 1, 1).await?;
    let broken = tokio::spawn(rig.ask().open());
    rig.pods[0].arrival(0).await;
    let waits = rig.ask().start();
    rig.waiting(1).await;
    let pace = rig.pods[0].answer_paced(0, Answer::events());
    pace.send("data: {}\n\n");
    let mut broken = within("the head of the answer", broken).await??;
    assert_eq!(broken.next().await?.as_deref(), Some(&b"data: {}\n\n"[..]));
    drop(pace);
    assert!(within("the break", broken.next()).await.is_err());
    rig.pods[0].arrival(1).await;
    rig.pods[0].answer(1, done());
    assert_eq!(within("an answer", waits.reply()).await?.status, 200);
    rig.idle().await;
    Ok(())
}

/// Sends requests one after the other and returns how many failed.
async fn failures(rig: &Rig, requests: usize) -> anyhow::Result<u64> {
    let mut failures = 0;
    for _ in 0..requests {
        failures += u64::from(rig.ask().send().await?.status != 200);
    }
    Ok(failures)
}

/// A failing pod is out for a second at least after each failure, so it fails no more requests than there are seconds.
async fn is_out_and_comes_back(rig: &mut Rig, comes_back: impl FnOnce(&mut Pod)) -> Test {
    let start = Instant::now();
    until("the failing pod has failed", async || rig.ask().send().await.is_ok_and(|reply| reply.status != 200)).await;
    let failures = failures(rig, 40).await?;
    assert!(failures <= start.elapsed().as_secs(), "{failures} failures in {:?}", start.elapsed());

    comes_back(&mut rig.pods[0]);
    let seen = rig.pods[0].arrivals().len();
    until("the pod is probed", async || {
        drop(rig.ask().send().await);
        rig.pods[0].arrivals().len() > seen
    })
    .await;
    assert_eq!(self::failures(rig, 10).await?, 0);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_pod_that_refuses_is_out_until_a_probe_succeeds() -> Test {
    let mut rig = two_without_retries().await?;
    rig.pods[0].refuse().await;
    is_out_and_comes_back(&mut rig, Pod::accept).await
}

#[tokio::test]
async fn a_pod_that_answers_5xx_is_out_until_a_probe_succeeds() -> Test {
    let mut rig = two_without_retries().await?;
    rig.pods[0].plan(Plan::Answer(Answer::status(500)));
    is_out_and_comes_back(&mut rig, |pod| pod.plan(Plan::Answer(done()))).await
}

#[tokio::test]
async fn a_pod_that_resets_is_out_until_a_probe_succeeds() -> Test {
    let mut rig = two_without_retries().await?;
    rig.pods[0].plan(Plan::Close);
    is_out_and_comes_back(&mut rig, |pod| pod.plan(Plan::Answer(done()))).await
}

#[tokio::test]
async fn half_of_the_pool_stays_in_whatever_fails() -> Test {
    let rig = Rig::start(2, &Plan::Answer(Answer::status(500)), 4, |_| {}, |options| options).await?;
    for _ in 0..10 {
        // The pods' own answer, not a refusal for want of pods.
        assert_eq!(rig.ask().send().await?.status, 500);
    }
    assert_eq!(rig.counts().iter().sum::<usize>(), 10);
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn a_4xx_is_the_clients_fault() -> Test {
    let rig = Rig::start(2, &Plan::Answer(Answer::status(422)), 4, |_| {}, |options| options).await?;
    for _ in 0..10 {
        assert_eq!(rig.ask().send().await?.status, 422);
    }
    assert!(rig.counts().iter().all(|count| *count > 0), "{:?}", rig.counts());
    Ok(())
}

fn profiles(fit: u32) -> Answer {
    Answer::json(&json!({ "profiles": [profile(DEPLOYMENT, "m", fit)] }))
}

/// Profiles come from this server, often.
async fn with_profiles_from(server: &Pod, plan: &Plan) -> anyhow::Result<Rig> {
    let callout = |filter: &mut Value| {
        let http = json!({ "cluster": "profiles", "path": "/profiles.json", "interval": "100ms", "timeout": "200ms" });
        filter["profiles"] = json!({ "correct": false, "http": http });
    };
    let address = server.address();
    Rig::start(1, plan, 1, callout, |options| options.profiles(address)).await
}

/// The policy that placed a request.
async fn policy(rig: &Rig) -> Option<String> {
    let reply = rig.ask().send().await.ok()?;
    reply.header("x-slo-router-policy").map(str::to_owned)
}

async fn asked_again(server: &Pod, times: usize) {
    let seen = server.arrivals().len();
    until("the profiles are asked for again", async || server.arrivals().len() >= seen + times).await;
}

#[tokio::test]
async fn a_callout_that_fails_leaves_the_last_good_profile() -> Test {
    let mut server = Pod::start(Plan::Answer(profiles(1)))?;
    let rig = with_profiles_from(&server, &Plan::Answer(done())).await?;
    until("the profile is used", async || policy(&rig).await.as_deref() == Some("slo")).await;
    let html = Answer::status(200).header("content-type", "text/html").part("<html>a login page</html>");
    let truncated = Answer::json(&json!({})).part("{");
    for (what, plan) in [
        ("an error", Plan::Answer(Answer::status(500))),
        ("a page", Plan::Answer(html)),
        ("no JSON", Plan::Answer(truncated)),
        ("nothing", Plan::Answer(Answer::status(200))),
        ("a ragged profile", Plan::Answer(Answer::json(&ragged()))),
        ("a break", Plan::Answer(profiles(1).breaks_off())),
        ("too much", Plan::Answer(Answer::status(200).part(vec![b' '; 100 << 20]))),
        ("no answer", Plan::Hold),
        ("a reset", Plan::Close),
    ] {
        server.plan(plan);
        asked_again(&server, 2).await;
        assert_eq!(policy(&rig).await.as_deref(), Some("slo"), "after {what}");
    }
    server.refuse().await;
    let failed = "cluster.profiles.upstream_cx_connect_fail";
    until("the refusal is seen", async || rig.stat(failed).await > Some(0)).await;
    assert_eq!(policy(&rig).await.as_deref(), Some("slo"), "after a refusal");
    rig.idle().await;
    Ok(())
}

fn ragged() -> Value {
    let mut document = profile(DEPLOYMENT, "m", 1);
    document["profile"]["tputs"] = json!([[1.0], [2.0]]);
    json!({ "profiles": [document] })
}

#[tokio::test]
async fn without_any_profile_yet_requests_are_served() -> Test {
    let server = Pod::start(Plan::Answer(Answer::status(500)))?;
    let rig = with_profiles_from(&server, &Plan::Answer(done())).await?;
    asked_again(&server, 1).await;
    assert_eq!(policy(&rig).await.as_deref(), Some("least-request"));
    server.plan(Plan::Answer(profiles(1)));
    until("the profile is used", async || policy(&rig).await.as_deref() == Some("slo")).await;
    Ok(())
}

#[tokio::test]
async fn a_profile_that_allows_more_lets_waiting_requests_go() -> Test {
    let server = Pod::start(Plan::Answer(profiles(1)))?;
    let rig = with_profiles_from(&server, &Plan::Answer(done())).await?;
    until("the profile is used", async || policy(&rig).await.as_deref() == Some("slo")).await;
    rig.pods[0].plan(Plan::Hold);
    let _pending: Vec<_> = (0..4).map(|_| rig.ask().start()).collect();
    rig.waiting(3).await;
    server.plan(Plan::Answer(profiles(3)));
    rig.waiting(1).await;
    until("three run", async || rig.pods[0].running() == 3).await;
    Ok(())
}

fn document(pods: &[&Pod]) -> Plan {
    let pods: Vec<Value> = pods.iter().map(|pod| entry(pod.address(), DEPLOYMENT, "m")).collect();
    Plan::Answer(Answer::json(&json!({ "pods": pods })))
}

/// Pods that answer and that the filter knows of by this server, which is asked often.
async fn with_pods_from(server: &Pod, pods: Vec<Pod>, change: impl FnOnce(&mut Value)) -> anyhow::Result<Rig> {
    let mut filter = filter(&pods, 4);
    let http = json!({ "cluster": "profiles", "path": "/pods.json", "interval": "100ms", "timeout": "200ms" });
    filter["pods"] = json!({ "http": http });
    let address = server.address();
    change(&mut filter);
    Rig::with(pods, filter, |options| options.profiles(address)).await
}

#[tokio::test]
async fn pods_come_and_go_by_a_callout() -> Test {
    let pods = pods(2, &Plan::Answer(done()))?;
    let server = Pod::start(document(&[&pods[0]]))?;
    let rig = with_pods_from(&server, pods, |_| {}).await?;
    until("the pods are known", async || policy(&rig).await.as_deref() == Some("slo")).await;
    server.plan(document(&[&rig.pods[1]]));
    // Before any was known, either may have got some.
    let second = rig.counts()[1];
    until("the other pod is used", async || policy(&rig).await.is_some() && rig.counts()[1] > second).await;
    let first = rig.counts()[0];
    assert_eq!(failures(&rig, 10).await?, 0);
    assert_eq!(rig.counts()[0], first);

    server.plan(document(&[]));
    until("no pod is ready", async || rig.ask().send().await.is_ok_and(|reply| reply.status == 503)).await;
    assert_eq!(rig.ask().send().await?.header("x-slo-router-reason"), Some("no_ready_pod"));
    Ok(())
}

#[tokio::test]
async fn when_a_pod_refuses_the_source_says_soon_who_took_its_place() -> Test {
    let mut pods = pods(3, &Plan::Answer(done()))?;
    let server = Pod::start(document(&[&pods[0], &pods[1]]))?;
    pods[0].refuse().await;
    let seldom = |filter: &mut Value| {
        filter["pods"]["http"]["interval"] = json!("1h");
        filter["upstream"] = json!({ "alternatives": 1 });
    };
    let rig = with_pods_from(&server, pods, seldom).await?;
    until("the pods are known", async || policy(&rig).await.as_deref() == Some("slo")).await;
    server.plan(document(&[&rig.pods[1], &rig.pods[2]]));
    until("the new pod serves", async || {
        drop(rig.ask().send().await);
        rig.counts()[2] > 0
    })
    .await;
    let (failed, next) = (rig.pods[0].address(), rig.pods[1].address());
    let said = rig.envoy.log();
    assert!(said.contains(&format!("pod {failed} is taken out: Envoy went on to {next}")), "{said}");
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn until_pods_are_known_envoys_own_balancing_serves() -> Test {
    let server = Pod::start(Plan::Answer(Answer::status(500)))?;
    // No longer than that does a request wait for the first list.
    let briefly = |filter: &mut Value| filter["queue"] = json!({ "max_wait": "100ms" });
    let rig = with_pods_from(&server, pods(2, &Plan::Answer(done()))?, briefly).await?;
    asked_again(&server, 2).await;
    for _ in 0..10 {
        let reply = rig.ask().header(DESTINATION, "10.6.6.6:80").send().await?;
        assert_eq!((reply.status.as_u16(), reply.header("x-slo-router-reason")), (200, Some("no-pods")));
        assert_eq!(reply.header("x-slo-router-policy"), None);
    }
    let mut arrivals = rig.pods.iter().flat_map(Pod::arrivals);
    assert!(arrivals.all(|arrival| arrival.header(DESTINATION).is_none()));
    let labels = [("pool", "test"), ("reason", "no-pods")];
    let told = async || rig.envoy.prometheus().await.ok()?.sum("slo_router_fallback_total", &labels);
    until("they are counted", async || told().await == Some(10.0)).await;

    server.plan(document(&[&rig.pods[0]]));
    until("the pods are known", async || policy(&rig).await.as_deref() == Some("slo")).await;
    rig.idle().await;
    Ok(())
}

#[tokio::test]
async fn requests_that_come_before_the_first_list_of_pods_wait_for_it_and_a_probe_is_told() -> Test {
    let mut server = Pod::start(Plan::Answer(Answer::status(500)))?;
    server.refuse().await;
    let rig = with_pods_from(&server, pods(2, &Plan::Answer(done()))?, |_| {}).await?;
    let ready = async || rig.client.get("/slo-router/ready").send().await.map(|reply| reply.status.as_u16());
    assert_eq!(ready().await?, 503);
    let early = [rig.ask().start(), rig.client.get("/v1/models").start()];
    until("the source was asked in vain", async || rig.source_errors("no-answer").await >= 3.0).await;
    server.plan(document(&[&rig.pods[0], &rig.pods[1]]));
    server.accept();
    for early in early {
        let reply = within("an answer", early.reply()).await?;
        assert_eq!((reply.status.as_u16(), reply.header("x-slo-router-reason")), (200, None));
    }
    assert_eq!(ready().await?, 200);
    let said = rig.envoy.log();
    assert!(said.contains("no answer, and Envoy says why: upstream connect error"), "{said}");
    rig.idle().await;
    Ok(())
}
