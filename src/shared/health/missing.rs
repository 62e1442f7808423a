//! Models that pods lack although the pool says that they serve them, such as an adapter that one
//! replica has not loaded.

use serde::{Deserialize, Serialize};

use super::bounds::{FIRST_OUT, LONGEST_OUT, most_out_of};
use crate::scheduling::pool::{ModelId, PodId};
use crate::scheduling::time::Instant;

/// So many are known at most: clients make names up.
const MOST: usize = 64;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing(Vec<Lack>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lack {
    pod: PodId,
    model: ModelId,
    /// Number of times in a row that it was found missing.
    times: u32,
    until: Instant,
}

// === impl Missing ===

impl Missing {
    /// A pod answered that it has not got a model, which `serving` are said to serve: of these at
    /// most half are known to lack it, since a model that none has is the client's mistake. It is
    /// asked again after a second, doubling up to half a minute. `None`: nothing changed; says
    /// whether that is news.
    pub fn note(&mut self, pod: PodId, model: ModelId, serving: &[PodId], now: Instant) -> Option<bool> {
        let time = |times: u32| FIRST_OUT.saturating_mul(1 << times.saturating_sub(1).min(16)).min(LONGEST_OUT);
        if let Some(lack) = self.0.iter_mut().find(|lack| lack.pod == pod && lack.model == model) {
            if now < lack.until {
                return None;
            }
            lack.times = lack.times.saturating_add(1);
            lack.until = now.after(time(lack.times));
            return Some(false);
        }
        let lacking = self.0.iter().filter(|lack| lack.model == model && serving.contains(&lack.pod)).count();
        if lacking >= most_out_of(serving) {
            return None;
        }
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Lack { pod, model, times: 1, until: now.after(time(1)) });
        Some(true)
    }

    /// A pod answered well for a model. Says whether it was thought to lack it.
    pub fn found(&mut self, pod: PodId, model: ModelId) -> bool {
        let before = self.0.len();
        self.0.retain(|lack| lack.pod != pod || lack.model != model);
        self.0.len() < before
    }

    /// The pods that are not asked for models now.
    pub fn now(&self, now: Instant) -> impl Iterator<Item = (PodId, ModelId)> {
        self.0.iter().filter(move |lack| now < lack.until).map(|lack| (lack.pod, lack.model))
    }
}
