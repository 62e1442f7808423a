//! An open loop: requests leave when they are due, however many are still under way.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Something that happened in an open loop.
#[derive(Debug)]
pub enum Step<T> {
    /// The next request left.
    Sent,
    /// The request of this number has ended so.
    Ended(usize, T),
}

/// Calls `send` for each request when it is due, with its number and that instant, until all have ended. `watch` is told
/// each step and says how long the last answers are waited for, from the start: what has no end by then is dropped.
pub async fn open<T, S>(
    dues: &[Duration],
    send: impl Fn(usize, Instant) -> S,
    mut watch: impl FnMut(Step<T>) -> Option<Duration>,
) where
    T: Send + 'static,
    S: Future<Output = T> + Send + 'static,
{
    let start = Instant::now();
    let (mut sent, mut last) = (0, None);
    let mut exchanges = JoinSet::new();
    while sent < dues.len() || !exchanges.is_empty() {
        let next = dues.get(sent).map(|due| start + *due);
        let until = next.or(last);
        last = tokio::select! {
            () = sleep_until(until.unwrap_or(start)), if until.is_some() => {
                let Some(due) = next else { return };
                let (number, exchange) = (sent, send(sent, due));
                exchanges.spawn(async move { (number, exchange.await) });
                sent += 1;
                watch(Step::Sent)
            }
            Some(Ok((number, end))) = exchanges.join_next() => watch(Step::Ended(number, end)),
        }
        .map(|last| start + last);
    }
}
