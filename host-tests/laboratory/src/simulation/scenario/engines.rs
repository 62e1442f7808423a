//! Kinds of engines that pods serve with.

use std::sync::Arc;
use std::time::Duration;

use super::{Hardware, Pod, ServerOf};
use crate::engine::{Behaviour, Engine, Gpu, Model, Moods, Offloading, SlowSpell, Tempo};
use crate::simulation::record::START;

/// Time until the pod of [`degrading`] becomes slow.
pub const SPELL_STARTS: Duration = Duration::from_secs(240);
/// Time for which it is slow.
pub const SPELL_LENGTH: Duration = Duration::from_secs(180);
/// Time that the pods of [`warming_up`] take to be warm.
const WARM_AFTER: Duration = Duration::from_secs(60);
/// Time until the pod of [`turning_slow`] becomes slow.
const TURNS_SLOW_AFTER: Duration = Duration::from_secs(120);
/// Factor by which the iterations of [`degrading`]'s pod slow down.
const SPELL_FACTOR: f64 = 2.5;

/// Speculative decoding, prefix caching, jitter and hiccups.
pub fn non_linear(model: Model) -> ServerOf {
    behaving(model, |_| Behaviour::NON_LINEAR)
}

/// Prefix caching as vLLM, SGLang and llama.cpp have it by default.
pub fn keeping_blocks(model: Model) -> ServerOf {
    behaving(model, |_| Behaviour { keeps_blocks: true, ..Behaviour::PLAIN })
}

/// The same with room for so many tokens in the memory of each pod's host.
pub fn offloading(model: Model, tokens: u32) -> ServerOf {
    let offloading = Some(Offloading::over_pcie(model, tokens));
    behaving(model, move |_| Behaviour { keeps_blocks: true, offloading, ..Behaviour::PLAIN })
}

/// Jitter and hiccups alone.
pub fn unsteady(model: Model) -> ServerOf {
    behaving(model, |_| Behaviour { tempo: Behaviour::NON_LINEAR.tempo, ..Behaviour::PLAIN })
}

/// All iterations take so many times as long as those that the profiles were measured on.
pub fn paced(model: Model, factor: f64) -> ServerOf {
    behaving(model, move |_| tempo(Tempo { factor, ..Tempo::STEADY }))
}

/// Each pod takes from half to twice as long as it should, for seconds at a time.
pub fn noisy(model: Model) -> ServerOf {
    behaving(model, |_| tempo(Tempo { moods: Some(Moods::WILD), ..Tempo::STEADY }))
}

/// All pods have just started, and take three times as long in their first minute.
pub fn warming_up(model: Model) -> ServerOf {
    let slow_spell = Some(SlowSpell { from: START, until: START.after(WARM_AFTER), factor: 3.0 });
    behaving(model, move |_| tempo(Tempo { slow_spell, ..Tempo::STEADY }))
}

/// The last pod takes three times as long from the second minute on, and does not recover.
pub fn turning_slow(model: Model, pods: usize) -> ServerOf {
    let from = START.after(TURNS_SLOW_AFTER);
    let slow_spell = Some(SlowSpell { from, until: from.after(Duration::from_secs(86_400)), factor: 3.0 });
    behaving(model, move |pod| {
        let is_slow = pod.position + 1 == pods;
        tempo(Tempo { slow_spell: slow_spell.filter(|_| is_slow), ..Tempo::STEADY })
    })
}

/// The last L20 degrades in mid-run and recovers.
pub fn degrading(model: Model, pods: &[Pod]) -> ServerOf {
    let slow = pods.iter().rposition(|pod| pod.hardware == Hardware::Gpu(Gpu::L20));
    let from = START.after(SPELL_STARTS);
    let slow_spell = Some(SlowSpell { from, until: from.after(SPELL_LENGTH), factor: SPELL_FACTOR });
    behaving(model, move |pod| {
        let is_slow = slow == Some(pod.position);
        tempo(Tempo { slow_spell: slow_spell.filter(|_| is_slow), ..Tempo::STEADY })
    })
}

fn tempo(tempo: Tempo) -> Behaviour {
    Behaviour { tempo, ..Behaviour::PLAIN }
}

/// Each pod behaves as it should, with luck of its own in each run.
fn behaving(model: Model, behaviour: impl Fn(&Pod) -> Behaviour + Send + Sync + 'static) -> ServerOf {
    Arc::new(move |pod, seed| {
        let spec = pod.hardware.spec(model)?.behaving(behaviour(pod));
        // The upper half tells pods apart, so that no two runs' pods share a seed.
        let seed = seed ^ (pod.position as u64) << 32;
        Some(Engine::new(spec).seeded(seed))
    })
}
