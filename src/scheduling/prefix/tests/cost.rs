//! Times of single steps, for a look: `cargo test --release --lib times_of -- --ignored
//! --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::super::index::PrefixIndex;
use super::super::{PromptHasher, PromptHeads, Section};
use super::{DEPLOYMENT, pod};

/// The least of ten means, since others use the machine, too.
fn nanoseconds(rounds: usize, mut step: impl FnMut(usize)) -> f64 {
    let mut mean = || {
        let began = Instant::now();
        (0..rounds / 10).for_each(&mut step);
        began.elapsed().as_nanos() as f64 / (rounds / 10) as f64
    };
    (0..10).map(|_| mean()).fold(f64::INFINITY, f64::min)
}

/// Heads of a conversation of eight messages.
fn conversation(seed: usize, size: usize) -> PromptHeads {
    let mut hasher = PromptHasher::new(1);
    hasher.begin(Section::Content);
    for message in 0..8 {
        hasher.role(b"user");
        hasher.text(format!("{seed} {message} the quick brown fox. ").repeat(size >> 8).as_bytes());
        hasher.end_message();
    }
    hasher.end(false);
    hasher.finish(&["m"])
}

#[test]
#[ignore = "measures, and checks nothing"]
fn times_of_hashing_and_looking_up() {
    for size in [2_000, 20_000, 220_000] {
        let text = vec![b'a'; size];
        let time = nanoseconds(40_000_000 / size, |_| {
            let mut hasher = PromptHasher::new(1);
            hasher.begin(Section::Content);
            hasher.text(black_box(&text));
            hasher.end(false);
            drop(black_box(hasher.finish(&["m"])));
        });
        println!("{size} bytes: hash {time:.0} ns");
    }
    let conversations = |seeds: std::ops::Range<usize>| -> Vec<PromptHeads> {
        seeds.map(|seed| conversation(seed, 220_000 >> (seed % 7))).collect()
    };
    let (all, others) = (conversations(0..4_000), conversations(10_000..14_000));
    let prompt = |prompts: &[PromptHeads], turn: usize| prompts[turn % prompts.len()].clone();
    let mut index = PrefixIndex::new(1 << 16);
    let placed = nanoseconds(40_000, |turn| {
        drop(black_box(index.placed(prompt(&all, turn).into(), 10_000, pod(turn as u64 % 16), DEPLOYMENT)));
    });
    let looked_up = |prompts: &[PromptHeads]| {
        nanoseconds(40_000, |turn| {
            black_box(index.expected(&prompts[turn % prompts.len()], 10_000));
        })
    };
    let (known, unknown) = (looked_up(&all), looked_up(&others));
    let bytes = index.placements();
    let written = nanoseconds(10_000, |_| drop(black_box(index.placements())));
    let mut peer = PrefixIndex::new(1 << 16);
    let learned = nanoseconds(10_000, |_| assert!(black_box(peer.learn(&bytes, 0)).is_ok()));
    let count = all.iter().map(PromptHeads::len).sum::<usize>() / all.len();
    println!("{count} heads: place {placed:.0} ns, look up {known:.0} where known, {unknown:.0} where not");
    println!("32 placements, {} bytes: write {written:.0} ns, learn {learned:.0}", bytes.len());
}
