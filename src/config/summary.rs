//! A configuration in one line.

use std::fmt;

use super::{Config, Inspect, PromptTokens};

/// The configuration, for people who want to see that it is the one they wrote.
struct Summary<'a>(&'a Config);

// === impl Config ===

impl Config {
    /// Sums up the configuration in one line, for the log at start.
    pub fn summary(&self) -> String {
        Summary(self).to_string()
    }
}

// === impl Summary ===

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { pool, policy, request, models, classes, queue, profiles, pods, replicas, upstream, .. } = self.0;
        let inspect = match request.inspect {
            Inspect::Body => "body",
            Inspect::Headers => "headers",
        };
        let prompt_tokens = match request.prompt_tokens {
            PromptTokens::Estimate => "estimated",
            PromptTokens::Exact => "counted",
        };
        write!(
            f,
            "pool {pool}, policy {policy} (fallback {}), by the {inspect} of requests to {} paths, prompts \
             {prompt_tokens}, {} models and {} classes declared, at most {} waiting for {:?}, profiles: {} inline{}, \
             pods: {} static{}{}, pod named in {}",
            self.0.fallback_policy,
            request.paths.len(),
            models.len(),
            classes.len(),
            queue.max_requests,
            queue.max_wait,
            profiles.inline.len(),
            FetchedFrom(profiles.fetched()),
            pods.fixed.len(),
            FetchedFrom(pods.fetched()),
            replicas.as_ref().map_or_else(String::new, |replicas| format!(", replicas meet in {replicas}")),
            upstream.header,
        )
    }
}

struct FetchedFrom<S>(Option<S>);

// === impl FetchedFrom ===

impl<S: fmt::Display> fmt::Display for FetchedFrom<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(source) => write!(f, " and from {source}"),
            None => Ok(()),
        }
    }
}
