//! Waiting for a condition, with a bound.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Limit on anything that a test waits for. Far above what it takes, so that a busy machine fails
/// no test.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
/// After [`LIMIT`], naming `what` was waited for.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} in vain until {what}");
        sleep(PAUSE).await;
    }
}

/// The value of a future that must come to an end.
///
/// # Panics
/// After [`LIMIT`], naming `what` was waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {LIMIT:?} in vain for {what}"),
    }
}
