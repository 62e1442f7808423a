//! AIBrix's SLO queue: a FIFO for each (output bucket, input bucket), whose heads compete.

use std::collections::{BTreeMap, HashMap, VecDeque};

use slo_router::scheduling::shape::log2_bucket;
use slo_router::scheduling::time::Instant;

use super::judge::Queued;
use super::rules::Overdue;
use crate::simulation::gateway::RequestNumber;

/// Rounded log2 of output and input tokens.
pub(super) type Key = (u8, u8);

/// See the module.
#[derive(Default)]
pub(super) struct SloQueue {
    requests: HashMap<RequestNumber, Queued>,
    queues: BTreeMap<Key, VecDeque<RequestNumber>>,
}

/// A head of a queue.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub key: Key,
    pub id: RequestNumber,
    /// (rank in seconds, deployment), most slack first; empty where no profile could rank it.
    pub ranks: Vec<(f64, usize)>,
}

// === impl SloQueue ===

impl SloQueue {
    pub(super) fn push(&mut self, id: RequestNumber, output_tokens: u32, queued: Queued) {
        let key = (log2_bucket(output_tokens), log2_bucket(queued.input_tokens));
        self.queues.entry(key).or_default().push_back(id);
        self.requests.insert(id, queued);
    }

    pub(super) fn get(&self, id: RequestNumber) -> Option<&Queued> {
        self.requests.get(&id)
    }

    /// It stays where it is.
    pub(super) fn cancel(&mut self, id: RequestNumber) {
        if let Some(queued) = self.requests.get_mut(&id) {
            queued.cancelled = true;
        }
    }

    pub(super) fn heads(&self) -> Vec<(Key, RequestNumber)> {
        self.queues.iter().filter_map(|(key, queue)| Some((*key, *queue.front()?))).collect()
    }

    /// Takes the head of a queue off.
    pub(super) fn pop(&mut self, key: Key) -> Option<Queued> {
        let id = self.queues.get_mut(&key)?.pop_front()?;
        self.requests.remove(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

// === impl Candidate ===

impl Candidate {
    /// Seconds by which it is late on the deployment that leaves it most slack.
    pub(super) fn rank_s(&self) -> f64 {
        self.ranks.first().map_or(f64::NEG_INFINITY, |(rank_s, _)| *rank_s)
    }
}

/// The heads in the order in which they are tried.
pub(super) fn order(candidates: &mut [Candidate], overdue: Overdue) {
    let late = |candidate: &Candidate| overdue != Overdue::First && candidate.rank_s() > 0.0;
    candidates.sort_by(|one, other| late(one).cmp(&late(other)).then_with(|| other.rank_s().total_cmp(&one.rank_s())));
}

/// The earliest of these heads, which is served where none can be ranked.
pub(super) fn earliest(queue: &SloQueue, heads: &[(Key, RequestNumber)]) -> Option<(Key, RequestNumber)> {
    let arrived_at = |id: RequestNumber| queue.get(id).map_or(Instant::FAR_FUTURE, |queued| queued.arrived_at);
    heads.iter().copied().min_by_key(|(_, id)| arrived_at(*id))
}
