use serde_json::{Value, json};

use super::*;
use crate::protocol::json::JsonKind;

fn error_of(refusal: &Refusal) -> Value {
    serde_json::from_slice::<Value>(&refusal.reply(None).body).unwrap()["error"].take()
}

fn header(refusal: &Refusal, name: &str) -> Option<String> {
    refusal.reply(None).headers.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn all() -> Vec<(Refusal, u16, Value)> {
    let second = Duration::from_secs(1);
    let strategy = || "least-magic".to_owned();
    let slo = SloHeaderError { header: "x-slo-ttft-ms", value: "soon".to_owned(), expected: "a number" };
    let field = BodyError::WrongType { field: "messages", found: JsonKind::Number, expected: "an array of messages" };
    vec![
        (Refusal::StrategyUnknown { strategy: strategy() }, 400, json!("routing-strategy")),
        (Refusal::StrategyNotAllowed { strategy: strategy(), allowed: vec![] }, 400, json!("routing-strategy")),
        (Refusal::SloHeaderMalformed(slo), 400, json!("x-slo-ttft-ms")),
        (Refusal::BodyInvalid(field), 400, json!("messages")),
        (Refusal::BodyInvalid(BodyError::NotUtf8 { at_byte: 3 }), 400, Value::Null),
        (Refusal::BodyEncoded { encoding: "br".to_owned() }, 400, json!("content-encoding")),
        (Refusal::ModelMissing, 400, json!("model")),
        (Refusal::ModelUnknown { model: "gpt".to_owned() }, 404, json!("model")),
        (Refusal::QueueFull { retry_after: second }, 429, Value::Null),
        (Refusal::WaitedTooLong { waited: second, retry_after: second }, 429, Value::Null),
        (Refusal::Late { retry_after: second }, 429, Value::Null),
        (Refusal::Infeasible, 503, Value::Null),
        (Refusal::NoReadyPod, 503, Value::Null),
    ]
}

#[test]
fn each_case_has_its_status_and_an_error_in_openais_shape() {
    for (refusal, status, param) in all() {
        let reply = refusal.reply(None);
        assert_eq!(reply.status, status, "{refusal:?}");
        assert_eq!(header(&refusal, "content-type").as_deref(), Some("application/json"));
        assert_eq!(header(&refusal, "x-slo-router-reason").as_deref(), Some(refusal.code()));
        let error = error_of(&refusal);
        assert_eq!((&error["code"], &error["param"]), (&json!(refusal.code()), &param), "{refusal:?}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert!(error["type"].as_str().is_some_and(|kind| kind.ends_with("_error")));
    }
}

#[test]
fn no_two_cases_share_a_code() {
    let mut codes = all().into_iter().map(|(refusal, ..)| refusal.code()).collect::<Vec<_>>();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all().len() - 1, "only the two bodies share theirs");
}

#[test]
fn only_what_time_can_mend_has_a_retry_after() {
    for (refusal, status, _) in all() {
        assert_eq!(header(&refusal, "retry-after").is_some(), status == 429, "{refusal:?}");
    }
}

#[test]
fn retry_after_is_rounded_up_to_whole_seconds_and_never_zero() {
    for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
        let refusal = Refusal::QueueFull { retry_after: Duration::from_millis(millis) };
        assert_eq!(header(&refusal, "retry-after").as_deref(), Some(seconds), "{millis} ms");
    }
    let longest = Refusal::QueueFull { retry_after: Duration::MAX };
    assert_eq!(header(&longest, "retry-after"), Some(u64::MAX.to_string()));
}

#[test]
fn values_from_outside_are_escaped_and_cut_at_100_characters() {
    let hostile = "\"},\r\n\u{0}\u{2028}<script>";
    let message = error_of(&Refusal::ModelUnknown { model: hostile.to_owned() })["message"].clone();
    assert_eq!(message, json!(format!("the model \"{hostile}\" is not served here")));

    let exact = "é".repeat(100);
    let message = error_of(&Refusal::StrategyUnknown { strategy: exact.clone() })["message"].clone();
    assert_eq!(message, json!(format!("header routing-strategy: there is no strategy \"{exact}\"")));
    let message = error_of(&Refusal::StrategyUnknown { strategy: "é".repeat(101) })["message"].clone();
    assert_eq!(message, json!(format!("header routing-strategy: there is no strategy \"{exact}…\"")));
}

#[test]
fn errors_of_anthropics_api_have_its_shape() {
    for (refusal, status, _) in all() {
        let reply = refusal.reply(Some(Endpoint::Messages));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let kind = match status {
            400 => "invalid_request_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            _ => "overloaded_error",
        };
        let message = error_of(&refusal)["message"].clone();
        let expected = json!({ "type": "error", "error": { "type": kind, "message": message } });
        assert_eq!((body, reply.status, reply.headers), (expected, status, refusal.reply(None).headers));
    }
}
