use std::time::Duration;

use slo_router::scheduling::time::Instant;

use super::*;
use crate::engine::{Engine, EngineSpec, EventKind, Gpu, Model};

const ONE_MS: Duration = Duration::from_millis(1);

fn after_s(seconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_secs(seconds))
}

fn tempo(tempo: Tempo) -> Behaviour {
    Behaviour { tempo, ..Behaviour::PLAIN }
}

/// Returns the instant of each token of an answer of 200, after a prompt of 1,000, on an idle L20.
fn token_times(behaviour: Behaviour) -> Vec<Instant> {
    let spec = EngineSpec::new(Gpu::L20, Model::Mha7b).unwrap().behaving(behaviour);
    let mut engine = Engine::new(spec);
    engine.submit(7, 1_000, 200, Instant::ZERO).unwrap();
    let events = engine.advance(after_s(1_000));
    let tokens = events.iter().filter(|event| matches!(event.kind, EventKind::Token { .. }));
    tokens.map(|event| event.at).collect()
}

fn iteration_times(tempo: Tempo, seed: u64) -> Vec<f64> {
    let time = |number| tempo.time_of(ONE_MS, Instant::ZERO, number, Draw::new(seed)).as_secs_f64() * 1e3;
    (0..100_000).map(time).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn a_slower_server_takes_longer_by_its_factor() {
    let last = |factor| {
        let times = token_times(tempo(Tempo { factor, ..Tempo::STEADY }));
        times[times.len() - 1].since(Instant::ZERO).as_secs_f64()
    };
    assert!((last(1.3) / last(1.0) - 1.3).abs() < 1e-4);
}

#[test]
fn jitter_has_its_deviation_and_leaves_the_mean() {
    let times = iteration_times(Tempo { jitter: 0.2, ..Tempo::STEADY }, 1);
    let squares: Vec<_> = times.iter().map(|time| (time - 1.0).powi(2)).collect();
    assert!((mean(&times) - 1.0).abs() < 0.005, "{}", mean(&times));
    assert!((mean(&squares).sqrt() - 0.2).abs() < 0.005, "{}", mean(&squares).sqrt());
}

#[test]
fn another_seed_has_other_jitter() {
    let jitter = Tempo { jitter: 0.2, ..Tempo::STEADY };
    assert_ne!(iteration_times(jitter, 1), iteration_times(jitter, 2));
}

#[test]
fn hiccups_come_as_often_as_told() {
    let hiccups = Hiccups { every: Duration::from_secs(1), length: Duration::from_millis(100) };
    let times = iteration_times(Tempo { hiccups: Some(hiccups), ..Tempo::STEADY }, 1);
    // 100 s of work in iterations of a millisecond.
    let held_up = times.iter().filter(|time| **time > 100.0).count();
    assert!((70..130).contains(&held_up), "{held_up}");
}

#[test]
fn a_mood_lasts_as_told_and_takes_from_half_to_twice_the_time() {
    let moods = Tempo { moods: Some(Moods::WILD), ..Tempo::STEADY };
    let at = |seconds: f64, seed| {
        let time = moods.time_of(ONE_MS, Instant::ZERO.offset_seconds(seconds), 1, Draw::new(seed));
        time.as_secs_f64() * 1e3
    };
    assert_eq!(at(3.0, 1), at(5.9, 1));
    assert_ne!(at(3.0, 1), at(6.0, 1));
    assert_ne!(at(3.0, 1), at(3.0, 2));
    let factors: Vec<_> = (0..1_000).map(|span| at(3.0 * f64::from(span), 1)).collect();
    assert!(factors.iter().all(|factor| (0.5..=2.0).contains(factor)));
    assert!(factors.iter().any(|factor| *factor < 0.51) && factors.iter().any(|factor| *factor > 1.95));
}

#[test]
fn a_slow_spell_begins_and_ends() {
    let spell = SlowSpell { from: after_s(1), until: after_s(2), factor: 2.0 };
    let times = token_times(tempo(Tempo { slow_spell: Some(spell), ..Tempo::STEADY }));
    let gap_at = |at| {
        let next = times.iter().position(|time| *time > at).unwrap();
        times[next + 1].since(times[next]).as_secs_f64()
    };
    assert!((gap_at(after_s(1)) / gap_at(Instant::ZERO) - 2.0).abs() < 0.02);
    assert!((gap_at(after_s(2)) / gap_at(Instant::ZERO) - 1.0).abs() < 0.02);
}

#[test]
fn speculation_makes_several_tokens_at_once_and_how_many_varies() {
    let times = token_times(Behaviour { speculation: Some(Speculation::USUAL), ..Behaviour::PLAIN });
    assert_eq!(times.len(), 200);
    let sizes: std::collections::BTreeSet<_> = times.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn guesses_are_right_as_often_as_told() {
    let sure = Speculation { draft_tokens: 2, acceptance_min: 0.5, acceptance_max: 0.5 };
    let accepted: Vec<_> = (0..100_000).map(|n| f64::from(sure.accepted(1, n, Draw::new(1)))).collect();
    // The first with 1/2, and the second too with 1/4.
    assert!((mean(&accepted) - 0.75).abs() < 0.01, "{}", mean(&accepted));
}

#[test]
fn a_cached_prefix_is_not_computed() {
    let first = |cache| token_times(Behaviour { prefix_cache: cache, ..Behaviour::PLAIN })[0].since(Instant::ZERO);
    let all = PrefixCache { hit_share: 1.0, found_max: 1.0 };
    assert!(first(Some(all)) < first(None));
    assert_eq!(first(Some(PrefixCache { hit_share: 0.0, ..all })), first(None));
}

#[test]
fn a_cached_prefix_is_whole_blocks_and_never_the_whole_prompt() {
    let all = PrefixCache { hit_share: 1.0, found_max: 1.0 };
    let cached: Vec<_> = (0..1_000).map(|request| all.cached_tokens(request, 160, Draw::new(1))).collect();
    assert!(cached.iter().all(|tokens| tokens % 16 == 0 && *tokens < 160));
    assert_eq!(cached.iter().max(), Some(&144));
    assert_eq!(all.cached_tokens(1, 1, Draw::new(1)), 0);
}
