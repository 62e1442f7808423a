//! All scenarios.

use std::sync::Arc;

use super::Scenario;
use super::build::{
    B, B2, BY_CLASS, C, E2E, GQA_PROFILES, IN_TURN, KINDS_PROFILES, MIXED_PROFILES, NON_LINEAR_PROFILES, PATIENT, SLOW,
    TTFT,
};
use super::engines::{
    degrading, keeping_blocks, noisy, non_linear, offloading, paced, turning_slow, unsteady, warming_up,
};
use crate::cluster::MODEL;
use crate::engine::{Gpu, Model};
use crate::kinds::Kind;
use crate::workload::{
    Class, Course, Documents, Gaps, Sessions, Traffic, behind_system_prompt, but_one_in, in_batches, mixes, overlay,
};

/// All of them; the first is the default.
pub fn all() -> Vec<Scenario> {
    [objectives(), mixes(), azure(), courses(), engines(), steep(), kinds(), prefixes(), sizes()].concat()
}

/// The seed's experiment, with each objective.
fn objectives() -> Vec<Scenario> {
    vec![
        Scenario::seed("seed-a"),
        Scenario::seed("seed-b").keeping(B),
        Scenario::seed("seed-c").keeping(C),
        Scenario::seed("seed-e2e").keeping(E2E),
        Scenario::seed("seed-by-class").keeping(BY_CLASS),
        Scenario::seed("seed-in-turn").keeping(IN_TURN),
    ]
}

/// Other requests, and another model.
fn mixes() -> Vec<Scenario> {
    let single = |name| {
        let words = "chat without its history : text-to-SQL = 7 : 4";
        Scenario::seed(name).serving_mix(words, mixes::SEED_SINGLE_TURN).at(3, 12, 2.0)
    };
    let long = |name| {
        let words = "chat : text-to-SQL of over 4,000 tokens = 7 : 4";
        Scenario::seed(name).serving_mix(words, mixes::SEED_LONG_PROMPTS).at(1, 10, 0.5)
    };
    let heavy = |name| {
        let words = "short chats, a document in twenty";
        Scenario::seed(name).serving_mix(words, mixes::HEAVY_TAIL).at(2, 12, 1.0)
    };
    let gqa = |name| Scenario::seed(name).on(&[(Gpu::L20, 1.0); 5], Model::Gqa8b, GQA_PROFILES).at(1, 9, 2.0);
    vec![
        single("single-turn-a"),
        long("long-prompts-a"),
        long("long-prompts-c").keeping(C),
        heavy("heavy-tail-a"),
        heavy("heavy-tail-by-class").keeping(BY_CLASS),
        gqa("gqa-a"),
        gqa("gqa-b").keeping(B),
    ]
}

/// Fits to the traces that Azure published in 2023. Its code is answered in a dozen tokens, so that SLO A would allow half a second for prompts
/// that alone take longer: B and C are asked for.
fn azure() -> Vec<Scenario> {
    let chat =
        |name| Scenario::seed(name).serving_traffic("Azure 2023, chat", mixes::AZURE_CHAT_TRAFFIC).at(1, 10, 1.0);
    let code =
        |name| Scenario::seed(name).serving_traffic("Azure 2023, code", mixes::AZURE_CODE_TRAFFIC).at(1, 10, 0.25);
    let both = |name| {
        let workload = |rate_per_s, span, seed| overlay(&mixes::AZURE_BOTH, rate_per_s, span, seed);
        let classes = [Class::Chat, Class::Code];
        Scenario::seed(name).serving("Azure 2023, chat and code", Arc::new(workload), &classes).at(1, 10, 1.0)
    };
    vec![
        chat("azure-chat-a"),
        chat("azure-chat-b").keeping(B),
        code("azure-code-b").keeping(B),
        code("azure-code-c").keeping(C),
        both("azure-both-b").keeping(B),
        both("azure-both-by-class").keeping(BY_CLASS),
    ]
}

/// The seed's requests, less evenly.
fn courses() -> Vec<Scenario> {
    let steady = Traffic::poisson(mixes::SEED);
    let bunched = Traffic { gaps: Gaps::Gamma { coefficient_of_variation: 3.0 }, ..steady };
    let ramp = Traffic { course: Course::RAMP, ..steady };
    let burst = Traffic { course: Course::BURST, ..steady };
    let day = Traffic { course: Course::DAY, ..steady };
    vec![
        Scenario::seed("bunches-a").serving_traffic("the seed's mix, gaps with a variation of 3", bunched),
        Scenario::seed("ramp-a").serving_traffic("the seed's mix, from half to one and a half of the rate", ramp),
        Scenario::seed("burst-a").serving_traffic("the seed's mix, half the rate with bursts of one and a half", burst),
        Scenario::seed("day-a").serving_traffic("the seed's mix, a day in five minutes", day),
    ]
}

/// The seed's experiment on engines that a step-time model does not describe, or that are not as they were measured.
fn engines() -> Vec<Scenario> {
    let non_linear = |name| {
        let scenario = Scenario::seed(name).served_by("non-linear", non_linear(MODEL));
        scenario.profiled(NON_LINEAR_PROFILES).at(4, 12, 2.0)
    };
    let turning_slow_last = |seed: Scenario| {
        let server = turning_slow(MODEL, seed.cluster.pods.len());
        seed.served_by("one L20 slow from the second minute on", server)
    };
    let degrading = |seed: Scenario| {
        let server = degrading(MODEL, &seed.cluster.pods);
        seed.served_by("one L20 slow for three minutes", server)
    };
    vec![
        non_linear("non-linear-a"),
        non_linear("non-linear-b").keeping(B),
        Scenario::seed("unsteady-a").served_by("jitter and hiccups", unsteady(MODEL)),
        Scenario::seed("slower-a").served_by("30 % slower than profiled", paced(MODEL, 1.3)).at(1, 9, 1.0),
        Scenario::seed("faster-a").served_by("30 % faster than profiled", paced(MODEL, 1.0 / 1.3)).at(2, 9, 2.0),
        degrading(Scenario::seed("degrading-a")),
        Scenario::seed("noisy-a").served_by("half to twice the time for seconds at a time", noisy(MODEL)),
        Scenario::seed("warming-a").served_by("slow in their first minute", warming_up(MODEL)),
        turning_slow_last(Scenario::seed("turning-slow-a")),
    ]
}

/// Identical pods that each request slows down: two sustain 7 requests of 100 tokens per second.
fn steep() -> Vec<Scenario> {
    let steep = |name, pods| {
        let scenario = Scenario::seed(name).serving_mix("short prompts, answers of 100 tokens", mixes::EVEN);
        scenario.keeping(SLOW).on_kind(Kind::Steep, pods).at(2, 16, 0.25 * pods as f64)
    };
    let uneven = "short prompts, answers of 100 tokens in the mean";
    let regular = Traffic { gaps: Gaps::Gamma { coefficient_of_variation: 0.1 }, ..Traffic::poisson(mixes::EVEN) };
    let regular = |name| {
        steep(name, 2).serving_traffic("short prompts, answers of 100 tokens, gaps with a variation of 0.1", regular)
    };
    vec![
        steep("steep-two", 2),
        steep("steep-two-at-once", 2).at_once(),
        regular("steep-two-regular"),
        regular("steep-two-regular-at-once").at_once(),
        steep("steep-two-tpot", 2).keeping(PATIENT),
        steep("steep-two-uneven", 2).serving_mix(uneven, mixes::UNEVEN),
        steep("steep-two-uneven-at-once", 2).serving_mix(uneven, mixes::UNEVEN).at_once(),
        steep("steep-four", 4),
        steep("steep-four-at-once", 4).at_once(),
    ]
}

/// Servers that a roofline does not describe.
fn kinds() -> Vec<Scenario> {
    let of = |name, kind, pods, step| Scenario::seed(name).keeping(SLOW).on_kind(kind, pods).at(1, 10, step);
    vec![
        of("flat-three", Kind::Flat, 3, 2.0),
        of("few-slots-five", Kind::FewSlots, 5, 0.5),
        of("llama-cpp-three", Kind::LlamaCpp, 3, 0.1),
        of("small-cache-three", Kind::SmallCache, 3, 0.5),
        of("chunks-three", Kind::Chunks, 3, 0.5),
        of("whole-prompts-three", Kind::WholePrompts, 3, 0.5),
    ]
}

/// From one pod to a hundred, of up to four types, and prompts and answers of extreme lengths.
fn sizes() -> Vec<Scenario> {
    const TYPES: [(Gpu, f64); 4] = [(Gpu::A10, 1.25), (Gpu::L20, 1.8), (Gpu::A100, 4.2), (Gpu::H100, 7.0)];
    let of_each = |name, pods| {
        let all: Vec<_> = TYPES.into_iter().flat_map(|pod| vec![pod; pods]).collect();
        Scenario::seed(name).on(&all, Model::Gqa8b, MIXED_PROFILES)
    };
    // Weights are what each serves at once within the objective.
    let kinds = [(Kind::Steep, 35.0), (Kind::FewSlots, 4.0), (Kind::LlamaCpp, 6.0), (Kind::SmallCache, 25.0)];
    let hundred: Vec<_> = kinds.into_iter().flat_map(|pod| vec![pod; 25]).collect();
    let hundred = Scenario::seed("hundred").keeping(SLOW).on(&hundred, MODEL, KINDS_PROFILES).at(1, 10, 10.0);
    let big = [TYPES[1], TYPES[1], TYPES[2], TYPES[3]];
    let huge = Scenario::seed("huge-prompts").on(&big, Model::Gqa8b, MIXED_PROFILES).keeping(PATIENT);
    vec![
        Scenario::seed("one-l20-b").keeping(B).on(&TYPES[1..2], Model::Gqa8b, MIXED_PROFILES).at(1, 10, 0.5),
        of_each("twenty-a", 5).at(1, 10, 10.0),
        hundred,
        Scenario::seed("one-token").serving_mix("text-to-SQL, a token of answer", mixes::ONE_TOKEN).keeping(TTFT),
        huge.serving_mix("chats, one prompt in ten of up to 128k tokens", mixes::HUGE_PROMPTS).at(1, 10, 1.0),
    ]
}

/// Prompts that begin alike, on engines that cache what prompts begin with.
fn prefixes() -> Vec<Scenario> {
    const SYSTEM_TOKENS: u32 = 12_000;
    const HOT_TOKENS: u32 = 8_000;
    const BATCH: u32 = 32;
    /// Some 130 GB a pod.
    const HOST_TOKENS: u32 = 1_000_000;
    let cached_on = |name, pods: &[(Gpu, f64)]| {
        let scenario = Scenario::seed(name).on(pods, Model::Gqa8b, MIXED_PROFILES).keeping(B2).at(1, 10, 2.0);
        scenario.served_by("with automatic prefix caching", keeping_blocks(Model::Gqa8b))
    };
    let cached = |name| {
        let pods = [(Gpu::L20, 1.8), (Gpu::L20, 1.8), (Gpu::L20, 1.8), (Gpu::A100, 4.2), (Gpu::H100, 7.0)];
        cached_on(name, &pods)
    };
    let questions = Traffic::poisson(mixes::QUESTIONS);
    let system_prompt = |name| {
        let workload = move |rate_per_s, span, seed| {
            behind_system_prompt(questions.arrivals(rate_per_s, span, seed), SYSTEM_TOKENS)
        };
        cached(name).serving("short questions behind 12,000 tokens that all share", Arc::new(workload), &[Class::Chat])
    };
    let agents = |name| {
        let workload = |rate_per_s, span, seed| Sessions::AGENTS.arrivals(rate_per_s, span, seed);
        cached(name).serving("agents that send a growing history", Arc::new(workload), &[Class::Chat])
    };
    let retrieval = |name| {
        let workload =
            move |rate_per_s, span, seed| Documents::RETRIEVAL.before(questions.arrivals(rate_per_s, span, seed), seed);
        cached(name).serving("short questions behind one of 200 documents", Arc::new(workload), &[Class::Chat])
    };
    let one_hot_prefix = |name| {
        let workload = move |rate_per_s, span, seed| {
            but_one_in(20, behind_system_prompt(questions.arrivals(rate_per_s, span, seed), HOT_TOKENS))
        };
        let words = "short questions, 19 in 20 of them behind the same 8,000 tokens";
        cached_on(name, &[(Gpu::A100, 1.0); 4]).serving(words, Arc::new(workload), &[Class::Chat])
    };
    let batches = |name| {
        // The sum of a batch's gaps is exponential, so that batches are a Poisson process.
        let gaps = Gaps::Gamma { coefficient_of_variation: f64::from(BATCH).sqrt() };
        let traffic = Traffic { gaps, ..Traffic::poisson(mixes::LONG_QUESTIONS) };
        let workload =
            move |rate_per_s, span, seed| in_batches(BATCH as usize, traffic.arrivals(rate_per_s, span, seed));
        cached(name).serving("batches of 32 identical prompts", Arc::new(workload), &[Class::Chat])
    };
    vec![
        retrieval("retrieval"),
        one_hot_prefix("one-hot-prefix"),
        batches("batches"),
        system_prompt("system-prompt"),
        system_prompt("system-prompt-untold").silent(),
        agents("agents"),
        agents("agents-untold").silent(),
        agents("agents-offloading").served_by(
            "with automatic prefix caching, offloaded to the host's memory",
            offloading(Model::Gqa8b, HOST_TOKENS),
        ),
    ]
}
