//! Models: adapters and their bases, objectives of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use super::PodSources;
use super::slo::optional_slo;
use crate::json::JsonError;
use crate::json::text::{self, ModelName, Rule};
use crate::scheduling::slo::Slo;

/// Facts stated of one model.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The model that this one is an adapter (LoRA) of; it shares that one's pods and profile.
    #[serde(deserialize_with = "text::optional::<ModelName, _>")]
    pub base: Option<String>,
    /// The objective of this model's requests.
    #[serde(deserialize_with = "optional_slo")]
    pub slo: Option<Slo>,
}

/// The models that requests can have.
pub(super) enum Served<'a> {
    /// Pods serve any, or are not known yet.
    Any,
    /// These, and no others ever.
    Only(BTreeSet<&'a str>),
}

/// Checks models together: names that can be, and bases that exist and are no adapters themselves.
pub(super) fn check(models: &BTreeMap<String, ModelConfig>, served: &Served<'_>) -> Result<(), JsonError> {
    for (name, model) in models {
        if !ModelName::allows(name) {
            return Err(JsonError::invalid("models", format_args!("the name {name:?}"), ModelName::EXPECTED));
        }
        let path = format_args!("models.{name}.base");
        served.check(path, model.base.as_deref())?;
        let Some(base) = &model.base else { continue };
        if models.get(base).is_some_and(|base| base.base.is_some()) {
            let expected = "a model that is no adapter itself";
            return Err(JsonError::invalid(path, format_args!("{base:?}"), expected));
        }
    }
    Ok(())
}

// === impl Served ===

impl<'a> Served<'a> {
    /// Returns the models that these pods serve, and their adapters. The configuration knows all
    /// names only if it knows all pods, and each says its own.
    pub(super) fn by(models: &'a BTreeMap<String, ModelConfig>, pods: &'a PodSources) -> Self {
        if pods.fetched().is_some() || pods.fixed.iter().any(|pod| pod.models.is_empty()) {
            return Self::Any;
        }
        let names = pods.fixed.iter().flat_map(|pod| &pod.models).chain(models.keys());
        Self::Only(names.map(String::as_str).collect())
    }

    /// Checks that a model that is named at `path` can be served, if there is one.
    pub(super) fn check(&self, path: impl fmt::Display, model: Option<&str>) -> Result<(), JsonError> {
        match (self, model) {
            (Self::Only(names), Some(model)) if !names.contains(model) => {
                let names = names.iter().copied().collect::<Vec<_>>().join(", ");
                let expected = format_args!("a model of `models` or of a pod: {names}");
                Err(JsonError::invalid(path, format_args!("{model:?}"), expected))
            }
            _ => Ok(()),
        }
    }
}
