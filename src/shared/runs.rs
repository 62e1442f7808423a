//! Requests in flight of one VM, one by one: for policies that go by more than sums. Each VM writes
//! values of its own, and no other: pages, since neither writing nor reading thousands of requests
//! is done in a millisecond.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::membership::FencingToken;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::prediction::{LengthDistribution, OutputLengths};
use crate::scheduling::prefix::RecentPlacements;
use crate::scheduling::request::RequestId;
use crate::scheduling::run::{Progress, Run};
use crate::scheduling::slo::Slo;
use crate::scheduling::time::Instant;
use crate::scheduling::weight::Weight;

/// Pages of a VM at most: all are written in some seven seconds.
pub const MOST_PAGES: usize = 1_024;

/// A run and where it runs.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The request, within its VM.
    pub id: RequestId,
    /// Its pod.
    pub pod: PodId,
    /// The pod's deployment.
    pub deployment: DeploymentId,
    /// State of its run.
    pub run: Run,
}

/// A page.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Runs {
    /// Fencing token of the VM that wrote it: a value left by the slot's last holder is worth
    /// nothing.
    pub owner: Option<FencingToken>,
    /// Number of the VM's pages.
    pub pages: usize,
    /// Distributions of output lengths; requests that came together have the same.
    curves: Vec<LengthDistribution>,
    runs: Vec<PublishedRun>,
    /// The last prompts that it sent to pods, on the first page.
    pub placements: RecentPlacements,
}

#[derive(Debug, Serialize, Deserialize)]
struct PublishedRun {
    id: RequestId,
    pod: PodId,
    deployment: DeploymentId,
    prompt_tokens: u32,
    computed_tokens: f64,
    arrived_at: Instant,
    placed_at: Instant,
    progress: Progress,
    slo: Slo,
    /// Position in [`Runs::curves`], and the most tokens that the answer may have.
    lengths: Option<(usize, u32)>,
    weight: Weight,
}

/// Returns the page of so many on which a VM tells of a request that came then.
pub fn page_of(arrived_at: Instant, pages: usize) -> usize {
    // A multiplicative hash: what comes in some rhythm goes everywhere.
    let spread = arrived_at.as_micros().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    usize::from(spread as u16).checked_rem(pages).unwrap_or_default()
}

// === impl Runs ===

impl Runs {
    /// A page of so many of the VM with this fencing token.
    pub fn of<'r>(
        owner: FencingToken,
        pages: usize,
        placed: impl Iterator<Item = (RequestId, PodId, DeploymentId, &'r Run)>,
        placements: RecentPlacements,
    ) -> Self {
        let mut known: Vec<&Rc<LengthDistribution>> = Vec::new();
        let runs = placed.map(|(id, pod, deployment, run)| {
            let lengths = run.lengths.as_ref().map(|lengths| {
                let curve = lengths.curve();
                // Those that came last are the likeliest to share it.
                let position = known.iter().rposition(|known| Rc::ptr_eq(known, curve)).unwrap_or_else(|| {
                    known.push(curve);
                    known.len().saturating_sub(1)
                });
                (position, lengths.most_tokens())
            });
            PublishedRun {
                id,
                pod,
                deployment,
                prompt_tokens: run.prompt_tokens,
                computed_tokens: run.computed_tokens,
                arrived_at: run.arrived_at,
                placed_at: run.placed_at,
                progress: run.progress,
                slo: run.slo,
                lengths,
                weight: run.weight,
            }
        });
        let runs = runs.collect();
        let curves = known.into_iter().map(|curve| curve.sketch()).collect();
        Self { owner: Some(owner), pages, curves, runs, placements }
    }

    /// Returns the runs that it holds.
    pub fn into_placed(self) -> impl Iterator<Item = Placed> {
        let curves: Vec<Rc<LengthDistribution>> = self.curves.into_iter().map(Rc::new).collect();
        self.runs.into_iter().map(move |told| {
            let known = |(curve, most): (usize, u32)| Some(OutputLengths::new(Rc::clone(curves.get(curve)?), most));
            let run = Run {
                prompt_tokens: told.prompt_tokens,
                computed_tokens: told.computed_tokens,
                arrived_at: told.arrived_at,
                placed_at: told.placed_at,
                progress: told.progress,
                slo: told.slo,
                lengths: told.lengths.and_then(known),
                weight: told.weight,
            };
            Placed { id: told.id, pod: told.pod, deployment: told.deployment, run }
        })
    }
}
