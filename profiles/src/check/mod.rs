//! Everything that is wrong with a profile, at once: the cell, its value, and what to do.

mod cells;
mod form;

use std::fmt;

use serde_json::Value;
use slo_router::scheduling::profile::{Profile, without_nan};

/// Something wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `true` if the filter refuses the profile for it.
    pub is_error: bool,
    /// Place: a field, or a cell with its shape.
    pub place: String,
    /// Value that stands there, and its fault.
    pub problem: String,
    /// Remedy.
    pub remedy: String,
}

/// Checks a document: one profile, or `{"profiles": [...]}`.
pub fn check(text: &[u8]) -> Vec<Finding> {
    let document: Value = match serde_json::from_slice(&without_nan(text)) {
        Ok(document) => document,
        Err(reason) => {
            return vec![Finding::error(
                "the file",
                format!("it is no JSON: {reason}"),
                "write a profile, or build one",
            )];
        }
    };
    let Some(entries) = document.get("profiles").and_then(Value::as_array) else { return check_profile(&document) };
    let mut findings = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let of_entry = match entry.get("profile") {
            Some(profile) => check_profile(profile),
            None => vec![Finding::error("profile", "it is missing", "put the profile here")],
        };
        let placed = |finding: Finding| Finding { place: format!("profiles[{index}].{}", finding.place), ..finding };
        findings.extend(of_entry.into_iter().map(placed));
    }
    // What only the whole document shows: names, duplicates. The filter's own reader knows.
    if !findings.iter().any(|finding| finding.is_error) {
        let complaint = match slo_router::sources::profiles::parse(text) {
            Ok(document) => document.complaint(),
            Err(error) => Some(error.to_string()),
        };
        findings.extend(complaint.map(|complaint| Finding::error("the document", complaint, "correct it")));
    }
    findings
}

fn check_profile(profile: &Value) -> Vec<Finding> {
    let mut findings = form::check(profile);
    let is_broken = findings.iter().any(|finding| finding.is_error);
    match Profile::from_json(profile.to_string().as_bytes()) {
        Ok(read) if !is_broken => findings.extend(cells::check(profile, &read)),
        // The filter has the last word, even where these checks saw nothing.
        Err(error) if !is_broken => {
            findings.push(Finding::error("the profile", error.to_string(), "correct it"));
        }
        Ok(_) | Err(_) => {}
    }
    findings
}

// === impl Finding ===

impl Finding {
    fn error(place: impl fmt::Display, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { is_error: true, place: place.to_string(), problem: problem.to_string(), remedy: remedy.to_string() }
    }

    fn warning(place: impl fmt::Display, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { is_error: false, ..Self::error(place, problem, remedy) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_error { "error" } else { "warning" };
        write!(f, "{kind}: {}: {}; {}", self.place, self.problem, self.remedy)
    }
}

#[cfg(test)]
mod tests;
