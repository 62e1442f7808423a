use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use slo_router::scheduling::time::Instant;

use crate::engine::tests::{Step, step};
use crate::engine::{
    Behaviour, Content, Detail, Engine, EngineSpec, Event, EventKind, Gpu, Model, Prompt, SlowSpell, Tempo,
};

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let spell = SlowSpell {
        from: Instant::ZERO.after(Duration::from_secs(2)),
        until: Instant::ZERO.after(Duration::from_secs(6)),
        factor: 3.0,
    };
    let spell = Behaviour { tempo: Tempo { slow_spell: Some(spell), ..Tempo::STEADY }, ..Behaviour::PLAIN };
    let unsteady = Behaviour { tempo: Behaviour::NON_LINEAR.tempo, ..Behaviour::PLAIN };
    let keeping = Behaviour { keeps_blocks: true, ..Behaviour::PLAIN };
    prop::sample::select(vec![Behaviour::PLAIN, spell, unsteady, keeping, Behaviour::NON_LINEAR])
}

fn is_milestone(event: &Event) -> bool {
    !matches!(event.kind, EventKind::Token { n: 2.. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn milestones_are_those_of_the_engine_that_goes_step_by_step(
        steps in prop::collection::vec(step(1..3_000, 0..5_000_000), 1..40), behaviour in behaviour(),
    ) {
        // The A10's small cache makes preemption common.
        let spec = EngineSpec::new(Gpu::A10, Model::Mha7b).unwrap().behaving(behaviour);
        let mut slow = Engine::new(spec);
        let mut quick = Engine::new(spec).telling(Detail::Milestones);
        let (mut now, mut live) = (Instant::ZERO, BTreeSet::new());
        let advance = |slow: &mut Engine, quick: &mut Engine, live: &mut BTreeSet<u64>, to| {
            let events: Vec<_> = slow.advance(to).into_iter().filter(is_milestone).collect();
            prop_assert_eq!(&events, &quick.advance(to));
            prop_assert_eq!(slow.gauges(), quick.gauges());
            let finished = events.iter().filter(|event| matches!(event.kind, EventKind::Finished { .. }));
            finished.for_each(|event| { live.remove(&event.id); });
            Ok(())
        };
        for (id, step) in (0..).zip(steps) {
            match step {
                Step::Submit { prompt, output } => {
                    advance(&mut slow, &mut quick, &mut live, now)?;
                    let content = Content::behind(1, 500, id as u32 % 4);
                    let prompt = Prompt { tokens: prompt, content: Some(content) };
                    slow.submit(id, prompt, output, now).unwrap();
                    quick.submit(id, prompt, output, now).unwrap();
                    live.insert(id);
                }
                Step::Cancel { nth } if !live.is_empty() => {
                    let id = *nth.get(&live.iter().copied().collect::<Vec<_>>());
                    advance(&mut slow, &mut quick, &mut live, now)?;
                    prop_assert_eq!(slow.cancel(id, now), quick.cancel(id, now));
                    live.remove(&id);
                }
                Step::Cancel { .. } => {}
                Step::Wait { micros } => {
                    now = now.after(Duration::from_micros(micros));
                    advance(&mut slow, &mut quick, &mut live, now)?;
                }
            }
        }
        advance(&mut slow, &mut quick, &mut live, now.after(Duration::from_secs(100_000)))?;
        prop_assert!(live.is_empty());
    }
}

#[test]
fn a_long_answer_takes_few_steps() {
    let mut engine = Engine::new(EngineSpec::new(Gpu::L20, Model::Mha7b).unwrap()).telling(Detail::Milestones);
    engine.submit(1, 100, 1_000, Instant::ZERO).unwrap();
    let steps = std::iter::from_fn(|| engine.next_event_at().map(|at| engine.advance(at))).count();
    // One for the prompt, and one for each 65 iterations.
    assert_eq!(steps, 1 + 999_usize.div_ceil(65));
}
