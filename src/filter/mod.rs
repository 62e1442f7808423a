//! The filter inside a proxy: contexts, streams, callouts and metrics. It decides nothing; it reads what passes, asks the
//! [`crate::dispatcher`], and does what that says. Only [`host`] talks to the proxy.

mod connections;
mod describing;
mod early;
mod entry;
mod guard;
mod host;
mod intent;
mod passing;
mod performing;
mod reading;
mod record;
mod replicas;
mod response;
mod router;
mod sources;
mod stats;
mod store;
mod verdict;
mod vm;
