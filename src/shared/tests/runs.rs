//! Single requests as a VM reports them and as others read them.

use std::rc::Rc;

use proptest::prelude::*;

use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::prediction::{Completion, History, LengthDistribution, OutputLengths};
use crate::scheduling::prefix::RecentPlacements;
use crate::scheduling::request::RequestId;
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::slo::Slo;
use crate::scheduling::time::Instant;
use crate::scheduling::weight::Weight;
use crate::shared::membership::FencingToken;
use crate::shared::runs::Runs;
use crate::shared::store::{decode, encode};

const OWNER: FencingToken = FencingToken { slot: 3, epoch: 7 };

fn run(lengths: Option<OutputLengths>) -> Run {
    Run {
        prompt_tokens: 500,
        computed_tokens: 400.0,
        arrived_at: Instant::from_micros(1),
        placed_at: Instant::from_micros(2),
        progress: Progress::Prefilling,
        slo: Slo::default(),
        lengths,
        weight: Weight::default(),
    }
}

/// Runs as other VMs read them.
fn told(runs: &[Run]) -> Vec<Run> {
    let (pod, deployment) = (PodId::of(([10, 0, 0, 1], 8000).into()), DeploymentId::of(&"d".parse().unwrap()));
    let placed = (0..).zip(runs).map(|(id, run)| (RequestId(id), pod, deployment, run));
    let value: Runs = decode(&encode(&Runs::of(OWNER, 1, placed, RecentPlacements::default())));
    assert_eq!(value.owner, Some(OWNER));
    value.into_placed().map(|placed| placed.run).collect()
}

#[test]
fn runs_arrive_as_they_were_told_each_with_its_own_lengths() {
    let lengths = |tokens| Some(OutputLengths::new(Rc::new(LengthDistribution::certain(tokens)), 1_000));
    let (short, long) = (lengths(10), lengths(900));
    let told = told(&[run(short.clone()), run(long), run(None), run(short)]);
    let medians: Vec<Option<u32>> = told.iter().map(|run| run.lengths.as_ref().map(OutputLengths::median)).collect();
    assert_eq!(medians, [Some(10), Some(900), None, Some(10)]);
    assert_eq!((told[0].prompt_tokens, told[0].progress), (500, Progress::Prefilling));
}

#[test]
fn what_cannot_be_read_tells_nothing() {
    let value: Runs = decode(b"\xff\xff\xff garbage");
    assert_eq!((value.owner, value.into_placed().count()), (None, 0));
}

proptest! {
    #[test]
    fn a_told_distribution_is_nowhere_off_by_more_than_a_thirty_second(
        outputs in prop::collection::vec(1_u32..3_000, 1..200), tokens in 1.0..3_500.0_f64,
    ) {
        let completion = |output_tokens: &u32| Completion {
            input_tokens: 100, output_tokens: *output_tokens, completed_at: Instant::ZERO,
        };
        let history: History = outputs.iter().map(completion).collect();
        let curve = LengthDistribution::estimate(&history, &[], 100).unwrap();
        let lengths = OutputLengths::new(Rc::new(curve.clone()), u32::MAX);
        let told = told(&[run(Some(lengths))]);
        let survival = told[0].lengths.as_ref().unwrap().curve().survival(tokens);
        prop_assert!((survival - curve.survival(tokens)).abs() <= 1.0 / 32.0 + 1e-9);
    }
}
