use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::Content;

const AZURE: &str = "\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
";

const BURST_GPT: &str = "\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,0,1087,Conversation log
118,GPT-4,417,276,693,API log
";

const PLAIN: &str = "\
arrival_s,input_tokens,output_tokens,class
0.5,100,10,code
1.25,200,20,
1.25,300,30,chat
";

const MOONCAKE: &str = r#"{"timestamp": 18, "input_length": 1100, "output_length": 6, "hash_ids": [1, 2, 3]}
{"timestamp": 27500, "input_length": 1030, "output_length": 8, "hash_ids": [1, 2, 4]}
"#;

const CONVERSATIONS: &str = "\
conv,turn,prompt_tokens,context_tokens_before,output_tokens
0,0,34,0,244
0,1,34,278,319
1,0,50,0,10
1,1,50,60,0
";

fn trace(text: &str) -> Result<Trace, TraceError> {
    Trace::from_reader(text.as_bytes(), "t.csv", Class::Chat)
}

fn error(text: &str) -> String {
    trace(text).unwrap_err().to_string()
}

fn arrival(at_us: u64, class: Class, prompt_tokens: u32, output_tokens: u32) -> Arrival {
    Arrival { at: Duration::from_micros(at_us), class, prompt_tokens, content: None, output_tokens }
}

#[test]
fn azures_format_has_dates() {
    let trace = trace(AZURE).unwrap();
    assert_eq!(trace.arrivals(), [arrival(0, Class::Chat, 374, 44), arrival(4_314_579, Class::Chat, 396, 109),]);
}

#[test]
fn azures_dates_may_have_an_offset() {
    let text = AZURE.replace("46.6805900", "46.680590+00:00").replace("50.9951690", "50.995169+00:00");
    assert_eq!(trace(&text), trace(AZURE));
}

#[test]
fn burst_gpts_failures_are_left_out_and_counted() {
    let trace = trace(BURST_GPT).unwrap();
    assert_eq!(trace.arrivals(), [arrival(0, Class::Chat, 472, 18), arrival(113_000_000, Class::Chat, 417, 276),]);
    assert_eq!(trace.left_out(), 1);
}

#[test]
fn the_plain_format_may_tell_the_class() {
    let trace = trace(PLAIN).unwrap();
    assert_eq!(
        trace.arrivals(),
        [
            arrival(0, Class::Code, 100, 10),
            arrival(750_000, Class::Chat, 200, 20),
            arrival(750_000, Class::Chat, 300, 30),
        ]
    );
    assert_eq!(trace.classes(), [Class::Chat, Class::Code]);
}

#[test]
fn mooncakes_blocks_are_chunks_of_prompts() {
    let chunks = |at_ms: u64, prompt_tokens, output_tokens, numbers| {
        let content = Some(Content::Chunks(numbers));
        Arrival { content, ..arrival(at_ms * 1_000, Class::Chat, prompt_tokens, output_tokens) }
    };
    let trace = trace(MOONCAKE).unwrap();
    assert_eq!(trace.arrivals(), [chunks(0, 1_100, 6, &[1, 2, 3]), chunks(27_482, 1_030, 8, &[1, 2, 4])]);
}

#[test]
fn wrong_rows_of_mooncakes_format_are_named() {
    let of = |from, to| error(&MOONCAKE.replace(from, to));
    let malformed = "malformed row: 3 hash_ids where 2030 tokens have 4 blocks";
    assert_eq!(of("1030", "2030"), format!("t.csv, line 2: {malformed}"));
    assert!(of("27500", "17").starts_with("t.csv, line 2: \"17\" is earlier"), "{}", of("27500", "17"));
    assert!(of("\"output_length\": 8, ", "").contains("line 2: malformed row: missing field `output_length`"));
}

#[test]
fn conversations_are_replayed_turn_by_turn_at_the_asked_rate() {
    let trace = trace(CONVERSATIONS).unwrap();
    assert_eq!((trace.left_out(), trace.rate_per_s()), (1, 1.0));
    let replayed = trace.replay(5.0, Duration::from_secs(3_600), 1);
    assert!((17_000..=19_000).contains(&replayed.len()), "{}", replayed.len());
    assert!(replayed.is_sorted_by_key(|arrival| arrival.at));
    let mut sessions: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for Arrival { prompt_tokens, content, .. } in replayed {
        sessions.entry(format!("{content:?}")).or_default().push(prompt_tokens);
    }
    // All of the first one's turns, or those that come within the hour; or the second one's only turn.
    let all = |turns: &[u32]| [&[34, 312][..], &[34], &[312], &[50]].contains(&turns);
    assert!(sessions.values().all(|turns| all(turns)));
    assert!(sessions.values().filter(|turns| **turns == [50]).count() > sessions.len() / 3);
}

#[test]
fn conversations_have_no_times_to_be_overlaid_by() {
    assert_eq!(trace(AZURE).unwrap().overlaid_with(trace(CONVERSATIONS).unwrap()), None);
}

#[test]
fn wrong_rows_of_conversations_are_named() {
    let malformed = error(&CONVERSATIONS.replace("278", "many"));
    assert!(malformed.starts_with("t.csv, line 3: malformed row: "), "{malformed}");
    assert_eq!(error("conv,context_tokens_before\n"), "t.csv, line 1: the trace is empty");
}

#[test]
fn an_empty_file_is_an_error() {
    assert_eq!(error(""), "t.csv, line 1: the trace is empty");
    assert_eq!(error("\n\n"), "t.csv, line 1: the trace is empty");
    assert_eq!(error("arrival_s,input_tokens,output_tokens\n"), "t.csv, line 1: the trace is empty");
}

#[test]
fn a_missing_column_is_named() {
    let text = AZURE.replace("ContextTokens", "Tokens");
    let needs = "the column is missing; the format needs TIMESTAMP,ContextTokens,GeneratedTokens";
    assert_eq!(error(&text), format!("t.csv, line 1, column \"ContextTokens\": {needs}"));
}

#[test]
fn a_header_of_no_format_is_an_error() {
    assert!(
        error("a,b\n1,2\n").starts_with("t.csv, line 1: unknown header; expected TIMESTAMP,"),
        "{}",
        error("a,b\n")
    );
}

#[test]
fn rows_out_of_order_are_named() {
    let text = PLAIN.replace("1.25,300", "1.24,300");
    let problem = "\"1.24\" is earlier than the row before; rows must be in order of time";
    assert_eq!(error(&text), format!("t.csv, line 4, column \"arrival_s\": {problem}"));
}

#[test]
fn negative_lengths_are_named() {
    let text = AZURE.replace("109", "-109");
    assert_eq!(error(&text), "t.csv, line 3, column \"GeneratedTokens\": -109 is negative");
}

#[test]
fn values_that_are_none_are_named() {
    let of = |from, to| error(&PLAIN.replace(from, to));
    let line = "t.csv, line 3, column";
    assert_eq!(of("200", "2.5"), format!("{line} \"input_tokens\": \"2.5\" is not a whole number of tokens"));
    assert_eq!(
        of("200", "99999999999"),
        format!("{line} \"input_tokens\": \"99999999999\" is not a whole number of tokens")
    );
    assert_eq!(
        of("1.25,200", "NaN,200"),
        format!("{line} \"arrival_s\": \"NaN\" is not a number of seconds, 0 or more")
    );
    assert_eq!(
        of("20,\n", "20,poem\n"),
        format!("{line} \"class\": \"poem\" is not chat, text-to-sql, code or document")
    );
    assert_eq!(of("1.25,200,20,", "1.25,200"), "t.csv, line 3: malformed row: 2 fields where the header has 4");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Trace::read(Path::new("no/such.csv"), Class::Chat).unwrap_err().to_string();
    assert!(error.starts_with("no/such.csv, line 1: cannot be read: "), "{error}");
}

#[test]
fn traces_overlay_by_the_clock() {
    let later = trace(&AZURE.replace("18:15:46.6805900", "18:15:48.6805900")).unwrap();
    let both = trace(AZURE).unwrap().overlaid_with(later).unwrap();
    let seconds: Vec<_> = both.arrivals().iter().map(|arrival| arrival.at.as_secs_f64()).collect();
    assert_eq!(seconds, [0.0, 2.0, 4.314579, 4.314579]);
}

#[test]
fn a_replay_has_the_asked_rate_and_goes_round() {
    let trace = trace(PLAIN).unwrap();
    let replayed = trace.replay(10.0, Duration::from_secs(60), 1);
    assert!((590..=610).contains(&replayed.len()), "{}", replayed.len());
    assert!(replayed.is_sorted_by_key(|arrival| arrival.at));
    assert_eq!(replayed[0].at, Duration::ZERO);
    assert_eq!(replayed[3].prompt_tokens, replayed[0].prompt_tokens);
}

#[test]
fn cut_requests_fit() {
    let cut = trace(PLAIN).unwrap().cut_to(25);
    let lengths: Vec<_> = cut.arrivals().iter().map(|arrival| (arrival.prompt_tokens, arrival.output_tokens)).collect();
    assert_eq!(lengths, [(15, 10), (5, 20), (1, 24)]);
}

fn rows() -> impl Strategy<Value = Vec<(u32, u32, u32)>> {
    // Gaps in milliseconds, prompt, output.
    prop::collection::vec((0..100_000_u32, any::<u32>(), 1..=u32::MAX), 1..40)
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in rows()) {
        let mut at_ms = 0_u64;
        let mut text = "arrival_s,input_tokens,output_tokens\n".to_owned();
        for (gap_ms, prompt, output) in &rows {
            at_ms += u64::from(*gap_ms);
            text += &format!("{}.{:03},{prompt},{output}\n", at_ms / 1_000, at_ms % 1_000);
        }
        let trace = trace(&text).unwrap();
        let lengths: Vec<_> = trace.arrivals().iter().map(|a| (a.prompt_tokens, a.output_tokens)).collect();
        prop_assert_eq!(lengths, rows.iter().map(|row| (row.1, row.2)).collect::<Vec<_>>());
        let span_ms: u64 = rows[1..].iter().map(|row| u64::from(row.0)).sum();
        let last = trace.arrivals().last().unwrap().at;
        prop_assert!(last.abs_diff(Duration::from_millis(span_ms)) < Duration::from_micros(1));
    }

    #[test]
    fn any_bytes_are_read_or_refused_with_a_line_of_theirs(
        head in prop::sample::select(vec![AZURE, BURST_GPT, PLAIN, MOONCAKE, CONVERSATIONS, ""]),
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b",\n\"-.019".to_vec())], 0..60),
    ) {
        let mut text = head.as_bytes().to_vec();
        let place = at.index(text.len() + 1);
        text.splice(place..place, bytes);
        match Trace::from_reader(&text[..], "t.csv", Class::Chat) {
            Ok(trace) => {
                prop_assert!(!trace.arrivals().is_empty());
                prop_assert!(trace.arrivals().is_sorted_by_key(|arrival| arrival.at));
                prop_assert!(trace.rate_per_s() > 0.0);
            }
            Err(error) => {
                let lines = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
                prop_assert!((1..=lines).contains(&error.line), "{error} of {lines}");
            }
        }
    }
}
