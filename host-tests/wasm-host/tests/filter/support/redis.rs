//! A Redis behind a Webdis, as far as gateways need them to meet: `MGET`, and `SET` with `PX` and `NX`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use wasm_host::{Builder, Call, CallAnswer};

use super::ms;

/// Redis that all gateways of a test reach. Its clock is theirs.
#[derive(Clone, Default)]
pub struct Redis(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// By key: the value, and until when it stands.
    values: HashMap<String, (String, Duration)>,
    is_away: bool,
}

// === impl Redis ===

impl Redis {
    /// The configuration of gateways that meet here.
    pub fn replicas(expected: u32) -> Value {
        json!({ "webdis": { "cluster": "webdis" }, "expected": expected })
    }

    /// Lets a world reach it.
    pub fn serve(&self, builder: Builder) -> Builder {
        let state = Rc::clone(&self.0);
        builder.cluster("webdis", move |call| state.borrow_mut().answer(call))
    }

    /// Sets a value that never expires.
    pub fn put(&self, key: &str, value: String) {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
        self.0.borrow_mut().values.insert(key, (value, Duration::MAX));
    }

    /// Sets whether connections to it break from now on.
    pub fn set_away(&self, is_away: bool) {
        self.0.borrow_mut().is_away = is_away;
    }
}

// === impl State ===

impl State {
    fn answer(&mut self, call: &Call) -> CallAnswer {
        if self.is_away {
            return CallAnswer::Broken { after: ms(1) };
        }
        let command = match call.headers.get(":method") {
            Some("POST") => String::from_utf8(call.body.clone()).unwrap(),
            _ => call.headers.get(":path").unwrap().trim_start_matches('/').to_owned(),
        };
        let words: Vec<&str> = command.split('/').collect();
        let reply = match words.as_slice() {
            ["MGET", keys @ ..] => json!({ "MGET": keys.iter().map(|key| self.get(key, call.at)).collect::<Vec<_>>() }),
            ["SET", key, _, "PX", _, "NX"] if self.get(key, call.at).is_some() => json!({ "SET": null }),
            ["SET", key, value, "PX", expire_ms, ..] => {
                let until = call.at + ms(expire_ms.parse().unwrap());
                self.values.insert((*key).to_owned(), ((*value).to_owned(), until));
                json!({ "SET": [true, "OK"] })
            }
            _ => panic!("no command of a gateway: {command}"),
        };
        CallAnswer::response(ms(1), 200, reply.to_string())
    }

    fn get(&self, key: &str, now: Duration) -> Option<&str> {
        self.values.get(key).filter(|(_, until)| now < *until).map(|(value, _)| value.as_str())
    }
}
