//! An open-loop load generator: requests leave when they are due, however many are still under way.

mod exchange;
mod record;

use std::net::SocketAddr;
use std::time::Duration;

use gateway::client::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use self::record::{Completed, Fate, Record, Routing, SLO};
use crate::workload::Arrival;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Requests that left.
    pub sent: usize,
    /// Requests that came to their end.
    pub ended: usize,
    /// Requests that kept the SLO.
    pub kept: usize,
}

/// Sends all arrivals to one address and waits for their answers, at most `drain` longer than the last arrival; what has
/// no end by then is [`Fate::Unfinished`].
pub async fn run(
    address: SocketAddr,
    arrivals: &[Arrival],
    drain: Duration,
    progress: impl Fn(Progress),
) -> Vec<Record> {
    let start = Instant::now();
    let client = Client::http1(address);
    let mut records: Vec<_> = arrivals.iter().map(|arrival| Record::new(*arrival)).collect();
    let mut now = Progress::default();
    let mut exchanges = JoinSet::new();
    let end = start + arrivals.last().map_or(Duration::ZERO, |arrival| arrival.at) + drain;
    while now.ended < arrivals.len() {
        let next = arrivals.get(now.sent);
        tokio::select! {
            () = sleep_until(next.map_or(end, |arrival| start + arrival.at)) => {
                let Some(arrival) = next.copied() else { break };
                let (index, client) = (now.sent, client.clone());
                exchanges.spawn(async move {
                    (index, exchange::exchange(&client, arrival, start + arrival.at).await)
                });
                now.sent += 1;
            }
            Some(Ok((index, (routing, fate)))) = exchanges.join_next() => {
                records[index].end(routing, fate);
                now.ended += 1;
                now.kept += usize::from(records[index].is_kept());
            }
        }
        progress(now);
    }
    records
}
