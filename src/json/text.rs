//! Strings with a rule. For `#[serde(deserialize_with)]`: `text::one::<Label, _>` and its kin.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// Rule for a string.
pub trait Rule {
    /// In words, for errors.
    const EXPECTED: &'static str;

    /// Returns `true` if the rule allows this string.
    fn allows(text: &str) -> bool;
}

/// Label of a pool or class, as it can stand in a metric's name.
pub struct Label;

/// A model as clients name it.
pub struct ModelName;

/// A header, as HTTP/2 writes it.
pub struct HeaderName;

/// The value of a header.
pub struct HeaderValue;

/// A path without a query: what requests are matched with.
pub struct Path;

/// A path that may carry a query: what is asked for.
pub struct PathAndQuery;

/// A cluster or an authority.
pub struct HostLike;

/// A string that keeps the rule.
pub fn one<'de, R: Rule, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text::<R>::deserialize(deserializer).map(|text| text.0)
}

/// The same, or none (`null`).
pub fn optional<'de, R: Rule, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Text<R>>::deserialize(deserializer)?.map(|text| text.0))
}

/// At least one string, each different.
pub fn list<'de, R: Rule, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts: Vec<String> = Vec::<Text<R>>::deserialize(deserializer)?.into_iter().map(|text| text.0).collect();
    if texts.is_empty() {
        return Err(D::Error::invalid_value(Unexpected::Seq, &"at least one string"));
    }
    let mut seen = BTreeSet::new();
    match texts.iter().find(|text| !seen.insert(text.as_str())) {
        Some(twice) => Err(D::Error::invalid_value(Unexpected::Str(twice), &"each string to stand here once")),
        None => Ok(texts),
    }
}

struct Text<R>(String, PhantomData<R>);

// === impl Text ===

impl<'de, R: Rule> Deserialize<'de> for Text<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !R::allows(&text) {
            return Err(D::Error::invalid_value(Unexpected::Str(&text), &R::EXPECTED));
        }
        Ok(Self(text, PhantomData))
    }
}

// === impl Rule ===

impl Rule for Label {
    const EXPECTED: &'static str = "1 to 63 of a-z, 0-9 and -";

    fn allows(text: &str) -> bool {
        (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }
}

impl Rule for ModelName {
    const EXPECTED: &'static str = "a model name of 1 to 256 bytes without spaces around it or control characters";

    fn allows(text: &str) -> bool {
        (1..=256).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
    }
}

impl Rule for HeaderName {
    const EXPECTED: &'static str = "a header name in lower case, and no pseudo header";

    fn allows(text: &str) -> bool {
        let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (1..=128).contains(&text.len()) && text.bytes().all(token)
    }
}

impl Rule for HeaderValue {
    const EXPECTED: &'static str = "1 to 256 visible ASCII characters or spaces between them";

    fn allows(text: &str) -> bool {
        (1..=256).contains(&text.len())
            && text.trim() == text
            && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    }
}

impl Rule for Path {
    const EXPECTED: &'static str = "a path that starts with /, without ? or #";

    fn allows(text: &str) -> bool {
        PathAndQuery::allows(text) && !text.contains('?')
    }
}

impl Rule for PathAndQuery {
    const EXPECTED: &'static str = "a path that starts with /, without #";

    fn allows(text: &str) -> bool {
        text.starts_with('/') && !text.contains('#') && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl Rule for HostLike {
    const EXPECTED: &'static str = "1 to 256 visible ASCII characters";

    fn allows(text: &str) -> bool {
        (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}
