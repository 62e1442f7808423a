//! The load client, in an open loop ([`open`], and [`run`] for the workload's requests) or in a closed one ([`closed`]).

pub mod closed;
mod exchange;
mod open;
mod record;

use std::net::SocketAddr;
use std::time::Duration;

pub use self::open::{Step, open};
pub use self::record::{Fate, Record, Routing, SLO};
use crate::client::Client;
use crate::workload::Arrival;

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
    let client = Client::http1(address);
    let mut records: Vec<_> = arrivals.iter().map(|arrival| Record::new(*arrival)).collect();
    let mut now = Progress::default();
    let dues: Vec<Duration> = arrivals.iter().map(|arrival| arrival.at).collect();
    let send = |index: usize, due| {
        let (client, arrival) = (client.clone(), arrivals[index]);
        async move { exchange::exchange(&client, arrival, due).await }
    };
    open(&dues, send, |step| {
        match step {
            Step::Sent => now.sent += 1,
            Step::Ended(index, (routing, fate)) => {
                records[index].end(routing, fate);
                now.ended += 1;
                now.kept += usize::from(records[index].is_kept());
            }
        }
        progress(now);
        records.iter().filter(|record| record.is_unfinished()).map(Record::deadline).max()
    })
    .await;
    records
}
