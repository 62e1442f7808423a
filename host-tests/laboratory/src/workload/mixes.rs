//! The mixes.

use std::time::Duration;

use super::{Class, Gaps, Lengths, Part, Traffic};
use crate::lengths::{CHAT_OUTPUT, CHAT_PROMPT};

const CHAT_ANSWER: Lengths = Lengths::LogNormal(CHAT_OUTPUT);

/// Chat and text-to-SQL, 7 : 4: the experiment that AIBrix publishes for its SLO policies. Chat prompts carry the conversation so far, all of
/// which is computed. For text-to-SQL BIRD is the usual benchmark; it publishes no lengths, so these are assumptions.
pub const SEED: &[Part] = &[
    Part { class: Class::Chat, weight: 7, prompt: Lengths::LogNormal(CHAT_PROMPT), output: CHAT_ANSWER },
    Part {
        class: Class::TextToSql,
        weight: 4,
        prompt: Lengths::log_normal(900.0, 0.45, 300, 3_000),
        output: Lengths::log_normal(55.0, 0.55, 16, 250),
    },
];

/// The same with chat prompts as they are typed, without the conversation so far: a median of 25 tokens, as the first turns of ShareGPT have
/// (logarithm's standard deviation 1.3). It is what a prefix cache that never misses would leave to be computed, and the load that single-turn
/// benchmarks of ShareGPT make.
pub const SEED_SINGLE_TURN: &[Part] = &[
    Part { class: Class::Chat, weight: 7, prompt: Lengths::log_normal(25.0, 1.3, 4, 2_048), output: CHAT_ANSWER },
    SEED[1],
];

/// The seed's mix as AIBrix's documents describe its text-to-SQL half: prompts above 4,000 tokens, answers of 32 to 64.
pub const SEED_LONG_PROMPTS: &[Part] = &[
    SEED[0],
    Part {
        class: Class::TextToSql,
        weight: 4,
        prompt: Lengths::log_normal(4_600.0, 0.12, 4_001, 8_000),
        output: Lengths::log_normal(45.0, 0.2, 32, 64),
    },
];

/// Mostly short chats, some whole documents: a few requests make most of the work.
pub const HEAVY_TAIL: &[Part] = &[
    Part {
        class: Class::Chat,
        weight: 19,
        prompt: Lengths::log_normal(120.0, 1.2, 4, 4_096),
        output: Lengths::log_normal(120.0, 1.2, 4, 1_024),
    },
    Part {
        class: Class::Document,
        weight: 1,
        prompt: Lengths::log_normal(3_000.0, 0.8, 500, 8_000),
        output: Lengths::log_normal(500.0, 1.0, 16, 2_048),
    },
];

/// Questions as people type them, and answers of 150 tokens in the mean.
pub const QUESTIONS: &[Part] = &[Part {
    class: Class::Chat,
    weight: 1,
    prompt: Lengths::log_normal(60.0, 0.8, 8, 500),
    output: Lengths::log_normal(100.0, 0.9, 4, 1_000),
}];

/// The same answers to prompts of 6,000 tokens.
pub const LONG_QUESTIONS: &[Part] = &[Part { prompt: Lengths::fixed(6_000), ..QUESTIONS[0] }];

/// Prompts of the seed's text-to-SQL with a single token of answer: classification.
pub const ONE_TOKEN: &[Part] = &[Part { output: Lengths::fixed(1), ..SEED[1] }];

/// Chats, and one request in ten with a prompt of up to 128k tokens.
pub const HUGE_PROMPTS: &[Part] = &[
    Part { weight: 9, ..SEED[0] },
    Part {
        class: Class::Document,
        weight: 1,
        prompt: Lengths::log_normal(12_000.0, 1.2, 1_000, 131_072),
        output: Lengths::log_normal(200.0, 0.7, 16, 1_024),
    },
];

/// Short prompts, answers of 100 tokens each.
pub const EVEN: &[Part] = &[Part {
    class: Class::Chat,
    weight: 1,
    prompt: Lengths::log_normal(32.0, 0.5, 8, 128),
    output: Lengths::fixed(100),
}];

/// The same with answers of 100 tokens in the mean, spread like those of chats.
pub const UNEVEN: &[Part] = &[Part { output: Lengths::log_normal(66.7, 0.9, 4, 1_000), ..EVEN[0] }];

/// Quantiles of the 19,366 requests of the chat trace that Azure published in 2023 (AzurePublicDataset, CC-BY-4.0); the last is the 99.9th
/// percentile. Prompt and answer are as good as uncorrelated (0.09 of the logarithms).
pub const AZURE_CHAT: &[Part] = &[Part {
    class: Class::Chat,
    weight: 1,
    prompt: Lengths::Quantiles(&[
        2, 181, 207, 372, 387, 396, 403, 414, 703, 984, 1_020, 1_045, 1_071, 1_097, 1_130, 1_189, 1_315, 1_877, 2_735,
        4_083, 6_212,
    ]),
    output: Lengths::Quantiles(&[
        7, 41, 54, 67, 77, 85, 91, 96, 103, 113, 129, 151, 177, 217, 384, 395, 400, 411, 424, 451, 954,
    ]),
}];

/// The same of the 8,819 requests of its code trace; correlation 0.00.
pub const AZURE_CODE: &[Part] = &[Part {
    class: Class::Code,
    weight: 1,
    prompt: Lengths::Quantiles(&[
        3, 75, 147, 232, 385, 578, 770, 938, 1_075, 1_261, 1_469, 1_690, 1_909, 2_164, 2_433, 2_745, 3_193, 3_923,
        5_194, 7_315, 7_437,
    ]),
    output: Lengths::Quantiles(&[6, 6, 7, 7, 8, 9, 9, 10, 11, 12, 13, 14, 16, 18, 20, 24, 29, 39, 55, 90, 831]),
}];

/// The chat trace's arrivals: as good as a Poisson process (its gaps' standard deviation is 1.09 of their mean).
pub const AZURE_CHAT_TRAFFIC: Traffic = Traffic::poisson(AZURE_CHAT);

/// The code trace's: a Poisson process of 10.2 requests per second for 9.0 s in the mean, between silences of more than two seconds, 27.1 s
/// in the mean.
pub const AZURE_CODE_TRAFFIC: Traffic = Traffic {
    gaps: Gaps::OnOff { on: Duration::from_millis(9_000), off: Duration::from_millis(27_100) },
    ..Traffic::poisson(AZURE_CODE)
};

/// Both on the same day, with the rates that they have there.
pub const AZURE_BOTH: [(f64, Traffic); 2] = [(5.53, AZURE_CHAT_TRAFFIC), (2.57, AZURE_CODE_TRAFFIC)];
