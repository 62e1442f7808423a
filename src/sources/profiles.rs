//! Profile documents: `{"profiles": [{"deployment", "model", "profile"}]}`, or one profile as
//! AIBrix writes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::json::{self, JsonError};
use crate::scheduling::deployment::InvalidDeploymentName;
use crate::scheduling::pool::{ProfileEntry, ProfileKey};
use crate::scheduling::profile::{Profile, without_nan};

/// Content of a document: the good profiles, and why the others are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileDocument {
    /// The profiles to take.
    pub profiles: Vec<ProfileEntry>,
    /// Those to keep the last good one of.
    pub rejected: Vec<RejectedProfile>,
}

/// An entry of a document that cannot be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectedProfile {
    /// Deployment and model of the profile, where they can be read.
    pub key: Option<ProfileKey>,
    /// Fault of the entry.
    pub error: JsonError,
}

/// Tells the two forms apart.
#[derive(Deserialize)]
struct Form {
    profiles: Option<IgnoredAny>,
    gpu: Option<IgnoredAny>,
}

/// The entries are read one by one, so that one bad entry does not cost the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedProfiles<'a> {
    #[serde(borrow)]
    profiles: Vec<&'a RawValue>,
}

/// Reads a profile document. Bare `NaN` and `Infinity`, which AIBrix writes for missing
/// measurements, count as no data.
///
/// Entries for the same deployment and model are rejected, all of them: nobody can tell which one
/// holds.
///
/// # Errors
///
/// A document that cannot be read as a whole. Faults of single entries are in
/// [`ProfileDocument::rejected`].
pub fn parse(document: &[u8]) -> Result<ProfileDocument, JsonError> {
    let document = &*without_nan(document);
    match json::read(document)? {
        Form { profiles: Some(_), .. } => {
            let UncheckedProfiles { profiles } = json::read(document)?;
            Ok(read_entries(profiles.into_iter().map(RawValue::get)))
        }
        Form { profiles: None, gpu: Some(_) } => {
            Ok(ProfileDocument { profiles: vec![bare(document)?], rejected: vec![] })
        }
        Form { profiles: None, gpu: None } => {
            let expected = "`profiles`, a list of {deployment, model, profile}, or one profile with its `gpu`";
            Err(JsonError::invalid("", "an object with neither `profiles` nor `gpu`", expected))
        }
    }
}

/// The first two entries, in order, that are for the same deployment and model.
pub fn duplicate(entries: &[ProfileEntry]) -> Option<(usize, usize)> {
    json::duplicate(entries, ProfileEntry::key)
}

/// AIBrix's own form: one profile, whose `gpu` is the deployment's name.
fn bare(document: &[u8]) -> Result<ProfileEntry, JsonError> {
    let profile: Profile = json::read(document)?;
    let deployment = profile.gpu.parse().map_err(|error: InvalidDeploymentName| JsonError::refused("gpu", error))?;
    Ok(ProfileEntry { deployment, model: None, profile })
}

/// Reads the entries of a document.
pub(super) fn read_entries<'a>(entries: impl Iterator<Item = &'a str>) -> ProfileDocument {
    let mut document = ProfileDocument::default();
    // What is read stands at its index, so that later entries are named as they are in the
    // document.
    let mut indexes: BTreeMap<ProfileKey, Vec<usize>> = BTreeMap::new();
    let mut good = Vec::new();
    for (index, entry) in entries.enumerate() {
        match json::read::<ProfileEntry>(entry.as_bytes()) {
            Ok(entry) => {
                indexes.entry(entry.key()).or_default().push(index);
                good.push(entry);
            }
            Err(error) => document.rejected.push(RejectedProfile {
                key: json::read(entry.as_bytes()).ok(),
                error: error.under(format_args!("profiles[{index}]")),
            }),
        }
    }
    for (key, indexes) in indexes {
        let [first, .., last] = indexes.as_slice() else { continue };
        good.retain(|entry| entry.key() != key);
        let path = format_args!("profiles[{last}]");
        let error = JsonError::invalid(path, &key, format_args!("one profile; profiles[{first}] is for it too"));
        document.rejected.push(RejectedProfile { key: Some(key), error });
    }
    document.profiles = good;
    document
}

// === impl ProfileDocument ===

impl ProfileDocument {
    /// Returns the faults of the document, if there are any.
    pub fn complaint(&self) -> Option<String> {
        let errors: Vec<String> = self.rejected.iter().map(|rejected| rejected.error.to_string()).collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// Returns `true` if it has a good profile of these.
    pub(super) fn takes(&self, key: &ProfileKey) -> bool {
        self.profiles.iter().any(|entry| entry.key() == *key)
    }

    /// Returns `true` if it has a bad entry for these.
    pub(super) fn rejects(&self, key: &ProfileKey) -> bool {
        self.rejected.iter().any(|rejected| rejected.key.as_ref() == Some(key))
    }
}

#[cfg(test)]
mod tests;
