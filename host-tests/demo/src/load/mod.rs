//! An open-loop load generator: requests leave when they are due, however many are still under way.

mod exchange;
mod record;

use std::net::SocketAddr;

use gateway::client::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use self::record::{Fate, Record, Routing, SLO};
use evaluation::workload::Arrival;

/// Progress of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Requests that left.
    pub sent: usize,
    /// Requests that came to their end.
    pub ended: usize,
    /// Requests that kept the SLO.
    pub kept: usize,
}

/// Sends all arrivals to one address and reads their answers, for as long as one of them can still keep the SLO; what has
/// no end by then is [`Fate::Unfinished`].
pub async fn run(address: SocketAddr, arrivals: &[Arrival], progress: impl Fn(Progress)) -> Vec<Record> {
    let start = Instant::now();
    let client = Client::http1(address);
    let mut records: Vec<_> = arrivals.iter().map(|arrival| Record::new(*arrival)).collect();
    let mut now = Progress::default();
    let mut exchanges = JoinSet::new();
    while now.ended < arrivals.len() {
        let next = arrivals.get(now.sent);
        let last_deadline = || records.iter().filter(|record| record.is_unfinished()).map(Record::deadline).max();
        let until = next.map_or_else(|| last_deadline().unwrap_or_default(), |arrival| arrival.at);
        tokio::select! {
            () = sleep_until(start + until) => {
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
