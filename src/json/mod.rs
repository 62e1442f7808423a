//! Strict reading of the JSON that operators write: each error names the path, the value and what
//! is allowed.
//!
//! Serde alone is more lenient than that: it tells no path, takes an array for an object (its
//! values in the order of the fields), and lets the last of several equal keys of a map win. Leaf
//! values are checked where they are read, so that their errors carry their path: [`duration`],
//! [`number`], [`text`].

pub mod address;
pub mod duration;
mod error;
pub mod number;
mod object;
pub mod text;

use serde::Deserialize;

pub use self::error::JsonError;
pub use self::object::{object, object_list, object_map, optional_object};

use self::object::Object;

/// Reads one object that fills the whole text.
///
/// # Errors
///
/// A text that is not JSON, not an object, or not as `T` wants it; anything but white space behind
/// it.
pub fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        JsonError::read(path, &error.into_inner())
    })?;
    deserializer.end().map_err(|error| JsonError::read(".".to_owned(), &error))?;
    Ok(value)
}

/// The first two indexes, in order, whose items have the same key.
pub fn duplicate<'a, T, K: Ord>(items: &'a [T], key: impl Fn(&'a T) -> K) -> Option<(usize, usize)> {
    let mut seen = std::collections::BTreeMap::new();
    items.iter().enumerate().find_map(|(index, item)| Some((seen.insert(key(item), index)?, index)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        #[serde(deserialize_with = "object")]
        inner: Inner,
        #[serde(deserialize_with = "object_list")]
        list: Vec<Inner>,
        #[serde(deserialize_with = "object_map")]
        map: BTreeMap<String, Inner>,
        #[serde(deserialize_with = "optional_object")]
        maybe: Option<Inner>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        number: u8,
    }

    #[track_caller]
    fn refused(json: &str, expected: &str) {
        assert_eq!(read::<Outer>(json.as_bytes()).unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_error_names_path_value_and_what_is_allowed() {
        refused(r#"{"list": [{}, {"number": "x"}]}"#, "list[1].number: invalid type: string \"x\", expected u8");
        refused(r#"{"map": {"a": {"nummer": 1}}}"#, "map.a.nummer: unknown field `nummer`, expected `number`");
    }

    #[test]
    fn an_array_is_no_object() {
        for (json, path) in [
            (r#"{"inner": []}"#, "inner"),
            (r#"{"list": [[]]}"#, "list[0]"),
            (r#"{"map": {"a": []}}"#, "map.a"),
            (r#"{"maybe": []}"#, "maybe"),
        ] {
            let error = read::<Outer>(json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{path}: invalid type: sequence, expected an object")), "{error}");
        }
        refused("[]", "invalid type: sequence, expected an object");
    }

    #[test]
    fn a_key_may_stand_once() {
        refused(r#"{"map": {"a": {}, "a": {}}}"#, "map: the name \"a\" stands here twice, expected names to be unique");
        refused(r#"{"inner": {}, "inner": {}}"#, "duplicate field `inner`");
    }

    #[test]
    fn nothing_may_follow() {
        refused("{} {}", "trailing characters (line 1, column 4)");
    }

    #[test]
    fn the_first_duplicate_is_found_with_its_original() {
        assert_eq!(duplicate(&[1, 2, 3, 2, 1], |item| *item), Some((1, 3)));
        assert_eq!(duplicate(&[1, 2, 3], |item| *item), None);
    }
}
