//! Workloads: a mix of kinds of traffic, the gaps between requests, and the course of the load over
//! time; or a recorded trace ([`trace`]).

mod course;
mod gaps;
mod lengths;
pub mod mixes;
mod sessions;
mod shared_prefixes;
#[cfg(test)]
mod tests;
pub mod trace;

use std::time::Duration;

use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::Distribution as _;
use serde::Serialize;

use crate::engine::{Content, Prompt};

pub use self::course::Course;
pub use self::gaps::Gaps;
pub use self::lengths::Lengths;
pub use self::sessions::Sessions;
pub use self::shared_prefixes::{Documents, behind_system_prompt, but_one_in, in_batches};

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Conversations.
    Chat,
    /// Long prompts with short answers.
    TextToSql,
    /// Completions in an editor: long prompts with very short answers.
    Code,
    /// Whole documents, with long answers.
    Document,
}

/// A request that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Time from the start of the run.
    pub at: Duration,
    /// Kind of traffic.
    pub class: Class,
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// Content of its prompt, as far as it begins like others.
    pub content: Option<Content>,
    /// Tokens that it will be answered with; nobody but the pod is told.
    pub output_tokens: u32,
}

/// One kind of traffic in a mix.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Class of the requests.
    pub class: Class,
    /// Weight: so many requests of the sum of all weights are of it.
    pub weight: u32,
    /// Of prompts.
    pub prompt: Lengths,
    /// Of answers. Prompt and answer are drawn independently.
    pub output: Lengths,
}

/// Made-up traffic.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Kinds of traffic.
    pub mix: &'static [Part],
    /// Gaps between the requests.
    pub gaps: Gaps,
    /// Course of the load over time.
    pub course: Course,
}

/// Chat and text-to-SQL, 7 : 4, as a Poisson process: the demonstration's workload. The same seed gives the same arrivals.
pub fn arrivals(rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
    Traffic::poisson(mixes::SEED).arrivals(rate_per_s, span, seed)
}

/// Several streams at once, each with a share of the rate.
pub fn overlay(streams: &[(f64, Traffic)], rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
    let total: f64 = streams.iter().map(|(share, _)| share).sum();
    let stream = |(number, (share, traffic)): (usize, &(f64, Traffic))| {
        traffic.arrivals(rate_per_s * share / total, span, seed.wrapping_add((number as u64) << 32))
    };
    let mut all: Vec<_> = streams.iter().enumerate().flat_map(stream).collect();
    all.sort_by_key(|arrival| arrival.at);
    all
}

// === impl Arrival ===

impl Arrival {
    /// Its prompt, as a server takes it.
    pub const fn prompt(&self) -> Prompt {
        Prompt { tokens: self.prompt_tokens, content: self.content }
    }
}

// === impl Class ===

impl Class {
    /// Those of the demonstration.
    pub const DEMO: [Self; 2] = [Self::Chat, Self::TextToSql];
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::TextToSql, Self::Code, Self::Document];

    /// Its name, in the request header, the filter's configuration, traces and the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextToSql => "text-to-sql",
            Self::Code => "code",
            Self::Document => "document",
        }
    }

    /// The cap on the output that its clients ask for.
    pub const fn max_tokens(self) -> u32 {
        match self {
            Self::Chat => 1_024,
            Self::TextToSql => 256,
            Self::Code | Self::Document => 2_048,
        }
    }
}

// === impl Traffic ===

impl Traffic {
    /// This mix as a Poisson process with a steady rate.
    pub const fn poisson(mix: &'static [Part]) -> Self {
        Self { mix, gaps: Gaps::Exponential, course: Course::STEADY }
    }

    /// The arrivals of a run at a mean rate where the course's factor is 1. The same seed gives the same ones, and at another rate
    /// the same requests at other times.
    pub fn arrivals(&self, rate_per_s: f64, span: Duration, seed: u64) -> Vec<Arrival> {
        // Two generators: so however many numbers a gap takes, the n-th request is the same one.
        let mut requests = ChaCha8Rng::seed_from_u64(seed);
        let mut gaps = ChaCha8Rng::seed_from_u64(!seed);
        let times = self.gaps.times(rate_per_s, &mut gaps).map(|load_s| self.course.time_of(load_s));
        let arrivals = times.map(|at| Arrival { at, ..self.draw(&mut requests) });
        arrivals.take_while(|arrival| arrival.at < span).collect()
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Arrival {
        let total = self.mix.iter().map(|part| part.weight).sum::<u32>();
        let mut place = rng.random_range(0..total);
        let within = |part: &&Part| {
            let within = place < part.weight;
            place = place.saturating_sub(part.weight);
            within
        };
        let part = self.mix.iter().find(within).expect("the place lies below the sum of the weights");
        let (prompt_tokens, output_tokens) = (part.prompt.sample(rng), part.output.sample(rng));
        Arrival { at: Duration::ZERO, class: part.class, prompt_tokens, content: None, output_tokens }
    }
}
