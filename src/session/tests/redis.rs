//! A Redis behind a Webdis, as far as gateways need one to meet. Nothing expires.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

/// Clones are one store.
#[derive(Clone, Debug, Default)]
pub(super) struct Redis(Rc<RefCell<BTreeMap<String, String>>>);

// === impl Redis ===

impl Redis {
    /// Carries out a command, which stands in a path or in a body, and returns the answer.
    pub(super) fn answer(&self, command: &str) -> Vec<u8> {
        let words: Vec<&str> = command.split('/').collect();
        let mut values = self.0.borrow_mut();
        let answer = match words.as_slice() {
            ["MGET", keys @ ..] => json!({ "MGET": keys.iter().map(|key| values.get(*key)).collect::<Vec<_>>() }),
            ["SET", key, .., "NX"] if values.contains_key(*key) => json!({ "SET": null }),
            ["SET", key, value, ..] => {
                values.insert((*key).to_owned(), (*value).to_owned());
                json!({ "SET": [true, "OK"] })
            }
            _ => panic!("no command of a gateway: {command}"),
        };
        answer.to_string().into_bytes()
    }

    /// Changes all values.
    pub(super) fn change(&self, change: impl Fn(&str) -> String) {
        self.0.borrow_mut().values_mut().for_each(|value| *value = change(value));
    }
}
