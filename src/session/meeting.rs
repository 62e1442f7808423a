//! Callouts to exchange state with other gateways: one VM at a time reads what they reported and
//! reports what all VMs of this one do.

use super::callout::{Answer, read_answer};
use super::host::Host;
use super::replicas::{Meeting, Replicas};
use super::router::Router;
use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::time::Instant;
use crate::shared::document::Good;
use crate::shared::peer_table::PeerTable;
use crate::sources::callout::{Callout, FetchError};
use crate::sources::replicas::{GossipRound, Turn};

impl<H: Host> Router<H> {
    /// Takes what other gateways told, and begins a round, if one is due and no other VM has one
    /// under way.
    pub(super) fn meet_replicas(&mut self, now: Instant) {
        let shares_placements = self.shares_placements();
        if shares_placements {
            self.dispatcher.take_peer_placements();
        }
        let Some(Replicas { source, document, meeting: None }) = &self.replicas else { return };
        let Callout { interval, timeout, .. } = source.callout;
        // Ticks come a little early or late.
        let every = interval.saturating_sub(interval.checked_div(8).unwrap_or_default());
        if !document.lease(&self.host, &self.keys, every, timeout, now) {
            return;
        }
        let peer_table = PeerTable::from_bytes(&document.in_force(&self.host, &self.keys));
        let mut peer_table = peer_table.unwrap_or_else(|| PeerTable::new(self.host.random_seed()));
        let (told, waiting) = self.dispatcher.to_tell(now);
        let mut digest = peer_table.digest(told.clone(), waiting);
        let pool = source.identity(&self.config.pool);
        if shares_placements {
            self.dispatcher.add_placements(&mut digest, &mut peer_table, pool, self.host.random_seed(), now);
        }
        let round = source.round(&self.config.pool, peer_table, digest.encode(&self.config.pool));
        self.go_on_meeting(round, told, now);
    }

    /// Returns `true` if gateways tell each other where prompts went.
    fn shares_placements(&self) -> bool {
        let secret = self.replicas.as_ref().and_then(|replicas| replicas.source.secret);
        secret.is_some() && self.prompt_secret.is_some()
    }

    /// A callout was answered that no source has sent.
    pub(super) fn on_replicas_answer(&mut self, token: u32, has_headers: bool, body_size: usize, now: Instant) {
        let Some(replicas) = &mut self.replicas else { return };
        let Some(meeting) = replicas.meeting.take_if(|meeting| meeting.token == token) else { return };
        let Meeting { mut round, told_at, told, ask, .. } = meeting;
        let turn = match read_answer(&self.host, &ask.request, has_headers, body_size) {
            Ok(Answer::Body(body, _)) => round.read(&body, now),
            Ok(Answer::Unchanged) => Err(FetchError::Empty),
            Err(error) => Err(error),
        };
        match turn {
            Ok(Turn::Next) => {
                let timeout = replicas.source.callout.timeout;
                replicas.document.renew(&self.host, &self.keys, timeout, now);
                self.go_on_meeting(round, told, told_at);
            }
            Ok(Turn::Done) => self.end_meeting(&round, Ok((told, told_at))),
            Err(error) => self.end_meeting(&round, Err(error)),
        }
    }

    fn go_on_meeting(&mut self, round: GossipRound, told: PodLoads, told_at: Instant) {
        let Some(replicas) = &mut self.replicas else { return };
        let ask = round.ask();
        match replicas.send(&self.host, &ask) {
            Ok(token) => replicas.meeting = Some(Meeting { round, told_at, told, ask, token }),
            Err(error) => self.end_meeting(&round, Err(error)),
        }
    }

    /// Passes the table of peers on, says what is news, and lets all VMs know what came of it: what
    /// ran here and when that was told, or why it was not.
    fn end_meeting(&mut self, round: &GossipRound, outcome: Result<(PodLoads, Instant), FetchError>) {
        let Some(Replicas { source, document, .. }) = &self.replicas else { return };
        let reckoned = round.peer_table().gateways().max(source.expected);
        let complaint = match &outcome {
            Err(error) => Some((error.to_string(), error.code())),
            Ok(_) if round.complaints().is_empty() => None,
            Ok(_) => Some((round.complaints().join("; "), "partial")),
        };
        let bytes = round.peer_table().to_bytes();
        let good = Good { bytes: &bytes, etag: None, complaint: complaint.as_ref().map(|(text, _)| text.as_str()) };
        let news = document.publish(&self.host, &self.keys, good).news;
        if let Some((_, code)) = &complaint {
            self.stats.source_failed("replicas", code);
        }
        match (&complaint, &outcome) {
            _ if !news => {}
            (None, _) => log::info!("slo-router: replicas: all is well"),
            (Some((complaint, _)), Ok(_)) => {
                log::warn!("slo-router: replicas: {complaint}; what they told last counts until it expires");
            }
            (Some((complaint, _)), Err(_)) => log::warn!(
                "slo-router: replicas: {complaint}; if that lasts {:?}, this gateway keeps to its share of the pods, 1/{reckoned}",
                source.expire
            ),
        }
        match outcome {
            Ok((told, told_at)) => {
                let peer_view = round.peer_table().peer_view(
                    told,
                    source.expected,
                    source.callout.interval,
                    told_at.after(source.expire),
                );
                self.dispatcher.learn_of_others(&peer_view);
            }
            Err(_) => {
                self.dispatcher.reckon_with(reckoned, round.peer_table().rank(reckoned));
            }
        }
    }
}
