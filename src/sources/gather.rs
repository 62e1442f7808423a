//! Joins profiles from several places into one profile document.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::document::Fetched;
use super::profiles::{self, ProfileDocument};
use crate::json::{self, JsonError};
use crate::scheduling::pool::ProfileKey;
use crate::scheduling::profile::without_nan;

/// Of a text that is no JSON, so much is shown.
const SHOWN_CHARS: usize = 60;

/// Profiles that were gathered so far.
#[derive(Default)]
pub(super) struct Gather {
    /// Entries of a profile document, as JSON.
    entries: Vec<Box<RawValue>>,
}

/// Both forms of a profile document.
#[derive(Deserialize)]
struct GatheredDocument<'a> {
    #[serde(borrow)]
    profiles: Option<Vec<&'a RawValue>>,
    gpu: Option<String>,
}

#[derive(Serialize)]
struct GatheredProfile<'a> {
    deployment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    profile: &'a RawValue,
}

/// Tells whose a profile of AIBrix is.
#[derive(Deserialize)]
struct Gpu {
    gpu: String,
}

// === impl Gather ===

impl Gather {
    /// Adds a profile document. A bare profile's `gpu` is a deployment of this namespace, unless it
    /// names one.
    ///
    /// # Errors
    ///
    /// The fault of the document as a whole. Its entries are read later, one by one.
    pub(super) fn add_document(&mut self, text: &[u8], namespace: &str) -> Result<(), JsonError> {
        let text = without_nan(text);
        match json::read(&text)? {
            GatheredDocument { profiles: Some(entries), .. } => {
                self.entries.extend(entries.into_iter().map(ToOwned::to_owned))
            }
            GatheredDocument { profiles: None, gpu: Some(gpu) } => {
                let deployment = if gpu.contains('/') { gpu } else { format!("{namespace}/{gpu}") };
                let profile: &RawValue = json_value(&text)?;
                self.push(&GatheredProfile { deployment, model: None, profile });
            }
            GatheredDocument { profiles: None, gpu: None } => {
                return Err(JsonError::invalid("", "neither `profiles` nor `gpu`", "a profile document"));
            }
        }
        Ok(())
    }

    /// Adds the profile of a deployment and a model. What cannot be read is added too, as what it
    /// is, so that the one who reads the document rejects it by its name and keeps the last good
    /// one.
    pub(super) fn add_profile(&mut self, deployment: String, model: &str, text: &str) {
        let text = without_nan(text.as_bytes());
        let shown: String = String::from_utf8_lossy(&text).chars().take(SHOWN_CHARS).collect();
        let no_json = serde_json::value::to_raw_value(&shown).ok();
        let profile = json_value(&text).ok().or(no_json.as_deref());
        if let Some(profile) = profile {
            self.push(&GatheredProfile { deployment, model: Some(model), profile });
        }
    }

    /// Leaves only the entries of these; one that cannot be told whose it is goes too.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&ProfileKey) -> bool) {
        let key = |entry: &RawValue| json::read::<ProfileKey>(entry.get().as_bytes());
        self.entries.retain(|entry| key(entry).is_ok_and(|key| is_kept(&key)));
    }

    /// Adds what was gathered there.
    pub(super) fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// Reads what was gathered.
    pub(super) fn read(&self) -> ProfileDocument {
        profiles::read_entries(self.entries.iter().map(|entry| entry.get()))
    }

    /// Ends a fetch with what was gathered. `complaints`: of what was left out.
    pub(super) fn fetched(self, complaints: Vec<String>) -> Fetched<ProfileDocument> {
        Fetched { document: self.read(), bytes: self.document(), complaints }
    }

    /// The document.
    pub(super) fn document(self) -> Vec<u8> {
        #[derive(Serialize)]
        struct WrittenProfiles {
            profiles: Vec<Box<RawValue>>,
        }
        // Cannot fail: there are no maps in it, whose keys could be no strings.
        serde_json::to_vec(&WrittenProfiles { profiles: self.entries }).unwrap_or_default()
    }

    fn push(&mut self, entry: &GatheredProfile<'_>) {
        self.entries.extend(serde_json::value::to_raw_value(entry));
    }
}

/// The deployment that a profile of AIBrix names, if it can be read.
pub(super) fn gpu_of(text: &str) -> Option<String> {
    let Gpu { gpu } = serde_json::from_slice(&without_nan(text.as_bytes())).ok()?;
    Some(gpu)
}

fn json_value(text: &[u8]) -> Result<&RawValue, JsonError> {
    serde_json::from_slice(text).map_err(|error| JsonError::refused("", error))
}
