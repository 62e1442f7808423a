//! Classes: requests that share a weight and an objective.

use serde::{Deserialize, Deserializer};

use super::slo::optional_slo;
use crate::json::{self, JsonError, number, text};
use crate::scheduling::slo::Slo;
use crate::scheduling::weight::Weight;

/// The name that a class cannot have: requests that match no class are in the class `default`.
pub const DEFAULT_CLASS: &str = "default";

/// A class of requests. Where it names a header and a model, a request must have both.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Names the class in metrics: 1 to 63 of a-z, 0-9 and `-`.
    #[serde(deserialize_with = "text::one::<text::Label, _>")]
    pub name: String,
    /// The header that its requests have.
    #[serde(default, deserialize_with = "json::optional_object")]
    pub header: Option<HeaderMatch>,
    /// The model that its requests name.
    #[serde(default, deserialize_with = "text::optional::<text::ModelName, _>")]
    pub model: Option<String>,
    /// Worth of keeping the objective of one of its requests; above 0. The class `default` has 1.
    #[serde(default, deserialize_with = "weight")]
    pub weight: Weight,
    /// The objective of its requests.
    #[serde(default, deserialize_with = "optional_slo")]
    pub slo: Option<Slo>,
}

/// A header with exactly this value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// In lower case.
    #[serde(deserialize_with = "text::one::<text::HeaderName, _>")]
    pub name: String,
    /// Compared as it is.
    #[serde(deserialize_with = "text::one::<text::HeaderValue, _>")]
    pub value: String,
}

fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Weight, D::Error> {
    number::positive(deserializer).map(|weight| Weight::new(weight).unwrap_or_default())
}

/// Checks each class, and all of them together.
pub(super) fn check(classes: &[Class]) -> Result<(), JsonError> {
    for (index, class) in classes.iter().enumerate() {
        if class.name == DEFAULT_CLASS {
            let expected = "another name: `default` is the class of requests that match none";
            return Err(JsonError::invalid(format_args!("classes[{index}].name"), "\"default\"", expected));
        }
        if class.header.is_none() && class.model.is_none() {
            let found = "neither `header` nor `model`";
            return Err(JsonError::invalid(
                format_args!("classes[{index}]"),
                found,
                "at least one of them to match by",
            ));
        }
    }
    match json::duplicate(classes, |class| &class.name) {
        None => Ok(()),
        Some((first, second)) => {
            let name = classes.get(second).map_or("", |class| &class.name);
            let expected = format_args!("a name of its own; classes[{first}] has this one");
            Err(JsonError::invalid(format_args!("classes[{second}].name"), format_args!("{name:?}"), expected))
        }
    }
}
