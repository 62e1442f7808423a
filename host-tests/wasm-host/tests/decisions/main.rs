//! The compiled filter decides as the simulation's native gateway does: the same requests on the same pods at the same microsecond,
//! refused for the same reason.
//!
//! Both stand before the same simulated pods in the same virtual time: what sweeps tell of policies is true of the `.wasm`.

mod compiled;
mod log;
#[path = "../filter/support/program.rs"]
mod program;
mod run;

use std::collections::BTreeSet;
use std::time::Duration;

use slo_router::dispatcher::RefusalReason;
use slo_router::scheduling::policies::{self, PolicyName, pull, random};

use self::log::{Decision, difference};
use self::run::{ALL_SETUPS, Run, Setup};

const SEEDS: [u64; 3] = [1, 2, 3];

fn runs_of(policy: PolicyName) -> impl Iterator<Item = Run> {
    let run = move |setup: &'static Setup| SEEDS.into_iter().map(move |seed| Run { policy, setup, seed });
    ALL_SETUPS.iter().flat_map(run)
}

#[test]
fn the_compiled_filter_decides_as_the_native_core() {
    std::thread::scope(|scope| {
        for policy in policies::all() {
            scope.spawn(move || {
                for run in runs_of(policy) {
                    let difference = difference(&run.native(), &run.compiled(run.seed));
                    assert!(difference.is_none(), "{run}\n{}", difference.unwrap_or_default());
                }
            });
        }
    });
}

#[test]
fn the_runs_come_to_all_kinds_of_decisions() {
    let decisions: Vec<Decision> = runs_of(pull::SLO).flat_map(|run| run.native()).collect();
    let refusals: Vec<_> = decisions.iter().filter_map(|decision| decision.what.refusal()).collect();
    for reason in
        [RefusalReason::WaitedTooLong, RefusalReason::QueueFull, RefusalReason::Late, RefusalReason::Infeasible]
    {
        assert!(refusals.contains(&reason), "{reason:?}");
    }
    let waited = |decision: &&Decision| decision.what.pod().is_some() && decision.waited > Duration::ZERO;
    assert!(decisions.iter().filter(waited).count() > 100);
    let pods: BTreeSet<usize> = decisions.iter().filter_map(|decision| decision.what.pod()).collect();
    assert_eq!(pods, (0..5).collect());
}

#[test]
fn a_filter_that_draws_other_numbers_is_told_apart() {
    let run = Run { policy: random::RANDOM, setup: &ALL_SETUPS[0], seed: SEEDS[0] };
    let difference = difference(&run.native(), &run.compiled(run.seed + 1)).unwrap();
    assert!(difference.contains("native") && difference.contains("compiled"), "{difference}");
}
