//! Release of what a request took, and the sign of its pod's health in how it ended.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::{Dispatcher, End};
use crate::scheduling::pool::{ModelId, PodId};
use crate::scheduling::requests::RunningRequest;
use crate::scheduling::time::Instant;
use crate::shared::health::{Change, Sign};
use crate::shared::store::Store;

/// A client that leaves sooner than this after its request went to a pod shows nothing of that pod.
const PATIENCE: Duration = Duration::from_millis(500);

impl<S: Store> Dispatcher<S> {
    /// Gives a pod's room back, and learns from how the request ended whether the pod is well.
    pub(super) fn release(&mut self, run: &RunningRequest, end: &End, now: Instant) -> Option<Change> {
        let pool = Rc::clone(&self.pool);
        let pods: Vec<PodId> = pool.pods().iter().map(|pod| pod.id).collect();
        let model = ModelId::of(&run.arrival.model);
        let sign = match *end {
            End::Finished(_) => Sign::Well,
            End::Answered | End::ModelMissing => Sign::There,
            End::PodFailed => Sign::Failed,
            // What it does for others it would do for this one too: the fault may be the request's.
            End::Erred if self.liveness.serves(run.pod, now) => Sign::Erred,
            End::Erred => Sign::Failed,
            End::BrokeOff => Sign::BrokeOff,
            End::NoRoom(time) => Sign::Full(time),
            End::Unanswered(after) if after >= PATIENCE && self.liveness.is_silent(run.pod, now.before(after)) => {
                Sign::Silent
            }
            End::Unanswered(_) | End::Abandoned => Sign::Nothing,
        };
        if !matches!(end, End::PodFailed | End::Erred | End::Unanswered(_) | End::Abandoned) {
            self.liveness.note(run.pod, matches!(end, End::Finished(_)), now);
        }
        let audience = pool.audience(&run.arrival.model);
        let serving = || audience.pods().iter().filter_map(|position| Some(pool.pods().get(*position)?.id)).collect();
        let change = Cell::new(None);
        // If it fails, the next heartbeat makes up for the room, and another VM's verdict on the
        // pod stands.
        self.coordinator.release(&self.requests, run.deployment, |failing| {
            let mut noted = failing.note(run.pod, sign, &pods, now);
            if sign == Sign::Nothing && run.probe && failing.end_probe(run.pod) {
                noted = Some(Change::Noted);
            }
            match end {
                End::Finished(_) if failing.missing.found(run.pod, model) => noted = noted.or(Some(Change::Noted)),
                End::ModelMissing => {
                    let serving: Vec<PodId> = serving();
                    if let Some(is_news) = failing.missing.note(run.pod, model, &serving, now) {
                        noted = Some(if is_news { Change::Lacks } else { Change::Noted });
                    }
                }
                _ => {}
            }
            change.set(noted);
            noted.is_some()
        });
        change.get()
    }
}
