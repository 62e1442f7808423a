//! AIBrix's SLO policies as a peer: `slo`, `slo-least-load` and `slo-pack-load` of its gateway, with their flaws.
//!
//! Written from a description of what that gateway computes (snapshot of August 2026), not from its code. Each file is one
//! of its parts:
//!
//! | part | file | what it does, flaws included |
//! |---|---|---|
//! | output predictor | `predictor.rs` | a random one of the last 240 s' answers, rounded to a power of two; 1 before any; the window moves only when a request completes |
//! | rank and pending load | `judge.rs` | log2 rounding a second time in the profile; every use of a length draws anew; a cell without a rate is a failure; a load may exceed a pod |
//! | sub-routers | `sub_router.rs` | push: least load, no bound, the last of equals; pull: least load that fits, the last; pack: most, the first |
//! | SLO queue | `queue.rs` | one FIFO per (output bucket, input bucket); the most overdue head first; deployments by slack, the last one's error decides |
//! | queue router | `router.rs` | looks only when a request comes or a charged one ends; cancelled requests keep their place |
//!
//! It runs in one process, so Envoy's workers do not show. Two kindnesses: each request brings its own objective along, where
//! AIBrix knows the profile's alone, and "so much per output token" ranks as its TPOT does. Its profiles are measured at
//! the 99th percentile, as its generator does. Not there: its replicas, its pooled request records (a source of misrouting), and
//! its bypass for a single pod.
//!
//! [`Rules`] can mend each flaw by itself, to see which of them matters.

mod judge;
mod learned;
mod predictor;
mod queue;
mod router;
mod rules;
mod sub_router;
#[cfg(test)]
mod tests;

pub use self::router::Aibrix;
pub use self::rules::{Overdue, Rules, Strategy};
