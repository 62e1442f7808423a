//! Completion of a profile document of which a part is bad.

use super::callout::FetchError;
use super::document::{Document, Fetched};
use super::gather::Gather;
use super::profiles::{self, ProfileDocument};
use crate::json::JsonError;
use crate::scheduling::deployment::DEFAULT_NAMESPACE;

// === impl ProfileDocument ===

impl Document for ProfileDocument {
    const NAME: &'static str = "profiles";

    fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        profiles::parse(bytes)
    }

    /// Joins what is good of this one with the last good entries of what it has only a bad version
    /// of. A last good document that cannot be read has none.
    fn complete(fetched: Fetched<Self>, last_good: impl FnOnce() -> Vec<u8>) -> Result<Fetched<Self>, FetchError> {
        let Fetched { bytes, document, mut complaints } = fetched;
        let Some(complaint) = document.complaint() else { return Ok(Fetched { bytes, document, complaints }) };
        if document.profiles.is_empty() {
            return Err(FetchError::Invalid(complaint));
        }
        complaints.push(complaint);
        let mut complete = Gather::default();
        complete.add_document(&bytes, DEFAULT_NAMESPACE)?;
        complete.retain(|key| document.takes(key));
        let mut profiles = document.profiles.clone();
        let mut kept = Gather::default();
        // There may have been none before.
        if kept.add_document(&last_good(), DEFAULT_NAMESPACE).is_ok() {
            kept.retain(|key| document.rejects(key) && !document.takes(key));
            profiles.extend(kept.read().profiles);
            complete.append(kept);
        }
        Ok(Fetched { bytes: complete.document(), document: Self { profiles, rejected: Vec::new() }, complaints })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::profile::Profile;

    const A: &str = r#"{"gpu": "a", "indexes": [[16], [128]], "tputs": [[2]], "e2e": [[0.5]]}"#;
    const NAN: &str =
        r#"{"gpu": "b", "indexes": [[16], [128, 256]], "tputs": [[2, 0]], "e2e": [[0.5, NaN]], "extra": 1}"#;
    const NEGATIVE: &str = r#"{"gpu": "c", "indexes": [[16], [128]], "tputs": [[-2]]}"#;

    fn entry(name: &str, profile: &str) -> String {
        format!(r#"{{"deployment": "{name}", "profile": {profile}}}"#)
    }

    fn of(entries: &[String]) -> String {
        format!(r#"{{"profiles": [{}]}}"#, entries.join(","))
    }

    /// The document of `new`, which those that did not fetch it read as the one that did.
    fn completed(new: &str, last: &str) -> ProfileDocument {
        let fetched = Fetched::read(new.as_bytes()).unwrap();
        let completed = ProfileDocument::complete(fetched, || last.as_bytes().to_vec()).unwrap();
        assert_eq!(ProfileDocument::read(&completed.bytes).unwrap().profiles, completed.document.profiles);
        completed.document
    }

    #[test]
    fn a_good_entry_is_taken_though_there_is_a_bad_one_for_the_same() {
        let faster = A.replace("[[2]]", "[[4]]");
        let completed = completed(&of(&[entry("a", &faster), entry("a", NEGATIVE)]), &of(&[entry("a", A)]));
        assert_eq!(completed.profiles.len(), 1);
        assert_eq!(completed.profiles[0].profile, Profile::from_json(faster.as_bytes()).unwrap());
    }

    #[test]
    fn of_what_has_only_a_bad_version_the_last_good_one_stays() {
        let faster = A.replace("[[2]]", "[[4]]");
        // `b` has gone, of `c` there never was a good one, and nobody can tell which of the two `d`
        // holds.
        let new = of(&[
            entry("a", NEGATIVE),
            entry("c", NEGATIVE),
            entry("d", A),
            entry("default/d", A),
            entry("e", &faster),
            "7".to_owned(),
        ]);
        let last = of(&[entry("default/a", NAN), entry("b", A), entry("d", &faster), entry("e", A)]);
        let completed = completed(&new, &last);
        let found: Vec<(String, Profile)> =
            completed.profiles.iter().map(|entry| (entry.deployment.to_string(), entry.profile.clone())).collect();
        let good = |text: &str| Profile::from_json(text.as_bytes()).unwrap();
        let expected = [("default/e", &*faster), ("default/a", NAN), ("default/d", &faster)];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), good(text))));
    }

    #[test]
    fn the_last_good_one_may_be_of_the_other_form_or_none() {
        let bad = NEGATIVE.replace("\"c\"", "\"b\"");
        let new = format!(
            r#"{{"profiles": [{{"deployment": "b", "profile": {bad}}}, {{"deployment": "a", "model": "m", "profile": {A}}}]}}"#
        );
        let keys =
            |last| completed(&new, last).profiles.iter().map(|entry| entry.key().to_string()).collect::<Vec<_>>();
        assert_eq!(keys(NAN), ["deployment default/a, model \"m\"", "deployment default/b, any model"]);
        assert_eq!(keys(""), ["deployment default/a, model \"m\""]);
    }
}
