//! The steps that a script is made of.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::{raw, seen};

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const CALL_HEADERS: u32 = 6;
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_BODY: u32 = 4;

thread_local! {
    /// Streams that asked to be woken, the oldest first.
    static WAITING: RefCell<VecDeque<u32>> = const { RefCell::new(VecDeque::new()) };
    /// The stream that ended last.
    static LAST_ENDED: RefCell<u32> = const { RefCell::new(0) };
}

/// Steps to run at each event.
#[derive(Default)]
pub struct Script(HashMap<String, Vec<String>>);

/// A stream has ended and waits no more.
pub fn forget(id: u32) {
    WAITING.with_borrow_mut(|waiting| waiting.retain(|other| *other != id));
    LAST_ENDED.set(id);
}

// === impl Script ===

impl Script {
    pub fn parse(text: &str) -> Self {
        let lines = text.split(';').filter_map(|line| line.split_once(':'));
        let steps =
            |steps: &str| steps.split(',').map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect();
        Self(lines.map(|(event, list)| (event.trim().to_owned(), steps(list))).collect())
    }

    pub fn has(&self, event: &str) -> bool {
        self.0.contains_key(event)
    }

    /// Runs an event's steps; whether one of them was `pause`.
    pub fn run(&self, id: u32, event: &str) -> bool {
        let steps = self.0.get(event).map(Vec::as_slice).unwrap_or_default();
        for step in steps {
            let (name, argument) = step.split_once('=').unwrap_or((step, ""));
            if name != "pause" {
                perform(id, name, argument);
            }
        }
        steps.iter().any(|step| step == "pause")
    }
}

fn perform(id: u32, name: &str, argument: &str) {
    let (first, rest) = argument.split_once('~').unwrap_or((argument, ""));
    let said = match name {
        "wait" => {
            WAITING.with_borrow_mut(|waiting| waiting.push_back(id));
            return;
        }
        "wake" => return wake(id, 1, |_| resume_marked()),
        "wake_all" => return wake(id, usize::MAX, |_| resume_marked()),
        "refuse_all" => return wake(id, usize::MAX, |_| raw::local_response(429, "busy").to_string()),
        "resume" => raw::continue_stream(0).to_string(),
        "resume_response" => raw::continue_stream(1).to_string(),
        "reply" => raw::local_response(argument.parse().unwrap_or(500), "told so").to_string(),
        "set" => raw::set_header(REQUEST_HEADERS, first, rest).to_string(),
        "remove" => raw::remove_header(REQUEST_HEADERS, argument).to_string(),
        "get" => format!("{:?}", raw::header(REQUEST_HEADERS, argument)),
        "pairs" => format!("{:?}", raw::pairs(REQUEST_HEADERS)),
        "get_response" => format!("{:?}", raw::header(RESPONSE_HEADERS, argument)),
        "set_response" => raw::set_header(RESPONSE_HEADERS, first, rest).to_string(),
        "get_call" => format!("{:?}", raw::header(CALL_HEADERS, argument)),
        "body" => format!("{:?}", raw::buffer(REQUEST_BODY, 0)),
        "body_from" => format!("{:?}", raw::buffer(REQUEST_BODY, argument.parse().unwrap_or(0))),
        "prepend" => raw::set_buffer(REQUEST_BODY, 0, 0, argument).to_string(),
        "replace" => raw::set_buffer(REQUEST_BODY, 0, usize::MAX, argument).to_string(),
        "append" => raw::set_buffer(REQUEST_BODY, usize::MAX, 0, argument).to_string(),
        "response_body" => format!("{:?}", raw::buffer(RESPONSE_BODY, 0)),
        "call_body" => format!("{:?}", raw::buffer(CALL_BODY, 0)),
        "effective_of_last" => raw::set_effective_context(LAST_ENDED.with_borrow(|last| *last)).to_string(),
        "effective" => raw::set_effective_context(argument.parse().unwrap_or(u32::MAX)).to_string(),
        "share" => raw::set_shared(first, rest, 0).to_string(),
        "share_at_77" => raw::set_shared(first, rest, 77).to_string(),
        "share_again" => raw::set_shared(first, rest, raw::shared(first).2).to_string(),
        "shared" => {
            let (status, value, cas) = raw::shared(argument);
            format!("({status}, {value:?}, numbered={})", cas != 0)
        }
        "register" => raw::register_queue(argument).to_string(),
        "enqueue" => match raw::resolve_queue(argument) {
            (0, queue) => raw::enqueue(queue, "look").to_string(),
            (status, _) => format!("resolve {status}"),
        },
        "enqueue_unknown" => raw::enqueue(9_999, "look").to_string(),
        "dequeue" => format!("{:?}", raw::dequeue(raw::resolve_queue(argument).1)),
        "call" => format!("{:?}", call(first, rest).map(|_| ())),
        "call_without_path" => format!("{:?}", call_with(first, vec![(":method", "GET")], rest).map(|_| ())),
        "property" => format!("{:?}", raw::property(&argument.replace('.', "\0"))),
        "code" => format!("{:?}", number("response\0code")),
        "flags" => format!("{:?}", number("response\0flags")),
        "foreign" => raw::foreign_function(argument).to_string(),
        "count" => {
            let (defined, id) = raw::define_metric(0, argument);
            format!("{defined} {} {} {:?}", raw::increment_metric(id, 2), raw::increment_metric(id, 0), raw::metric(id))
        }
        "count_unknown" => format!("{} {}", raw::increment_metric(40_000, 1), raw::record_metric(40_000, 1)),
        "gauge" => {
            let (defined, id) = raw::define_metric(1, argument);
            format!(
                "{defined} {} {} {:?}",
                raw::increment_metric(id, 2),
                raw::increment_metric(id, -1),
                raw::metric(id)
            )
        }
        "tick_every" => {
            let period = Duration::from_millis(argument.parse().unwrap_or(0));
            format!("{:?}", proxy_wasm::hostcalls::set_tick_period(period))
        }
        "trap" => panic!("told to"),
        other => format!("unknown step {other}"),
    };
    seen(id, &format!("{name} -> {said}"));
}

fn resume_marked() -> String {
    let set = raw::set_header(REQUEST_HEADERS, "x-woken", "yes");
    let resumed = raw::continue_stream(0);
    let late = raw::set_header(REQUEST_HEADERS, "x-late", "yes");
    format!("set {set} resume {resumed} set after resume {late}")
}

/// Acts for so many of the waiting, then for itself again.
fn wake(id: u32, count: usize, act: impl Fn(u32) -> String) {
    for _ in 0..count {
        let Some(stream) = WAITING.with_borrow_mut(VecDeque::pop_front) else { break };
        let chosen = raw::set_effective_context(stream);
        let said = if chosen == 0 { act(stream) } else { "gone".to_owned() };
        seen(id, &format!("wake #{stream} -> {chosen} {said}"));
    }
    raw::set_effective_context(id);
}

fn call(cluster: &str, timeout_ms: &str) -> Result<u32, proxy_wasm::types::Status> {
    call_with(cluster, vec![(":method", "GET"), (":path", "/"), (":authority", "callee")], timeout_ms)
}

fn call_with(cluster: &str, headers: Vec<(&str, &str)>, timeout_ms: &str) -> Result<u32, proxy_wasm::types::Status> {
    let timeout = Duration::from_millis(timeout_ms.parse().unwrap_or(1_000));
    proxy_wasm::hostcalls::dispatch_http_call(cluster, headers, None, vec![], timeout)
}

fn number(path: &str) -> Option<i64> {
    let bytes = proxy_wasm::hostcalls::get_property(path.split('\0').collect()).ok()??;
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}
