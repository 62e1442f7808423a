//! A proxy-wasm host that runs the real filter as Envoy runs it, in virtual time.
//!
//! It models what decides over a scheduling filter's life: one VM per worker beside base, canary and main thread; streams
//! that pause and resume; host calls whose effects are deferred until the guest has returned and then enter it again,
//! nested; the effective context; shared data, queues, metrics, ticks and callouts; a VM that dies by a trap and comes
//! back; two generations of a configuration side by side. Nothing here opens a socket or reads a clock: a [`World`] runs
//! only while [`World::advance`] is called, and two runs with the same seed are the same.
//!
//! ```no_run
//! use std::time::Duration;
//! use wasm_host::{Program, World};
//!
//! let program = Program::load("slo_router.wasm").unwrap();
//! let world = World::builder(&program).workers(4).configuration(r#"{"pool": "chat"}"#).build().unwrap();
//! let stream = world.worker(0).request().header("x-class", "interactive").body("{}").send();
//! assert!(stream.is_paused());
//! world.advance(Duration::from_millis(10));
//! assert!(stream.upstream_headers().is_some());
//! stream.respond(200, [("content-type", "text/plain")]).body("done");
//! ```
//!
//! Left out, because the filter does not use it: TCP filters, gRPC calls, foreign functions, metadata frames.
#![warn(missing_docs)]

mod abi;
mod agenda;
mod builder;
mod callout;
mod event;
mod half;
mod headers;
mod imports;
mod local_reply;
mod metrics;
mod process;
mod program;
mod random;
mod request;
mod shared_data;
mod shared_queue;
mod stream;
mod upstream;
mod vm;
mod world;

pub use abi::{LogLevel, Status, flags};
pub use builder::{Builder, FailurePolicy, Rejected, Timing};
pub use callout::{Call, CallAnswer, CallReply};
pub use event::{Event, Role, Thread, What};
pub use headers::Headers;
pub use local_reply::LocalReply;
pub use metrics::Metric;
pub use process::NotificationFault;
pub use program::Program;
pub use request::RequestBuilder;
pub use stream::{Response, Stream};
pub use upstream::{Forwarded, Route, UpstreamEvent};
pub use world::{Retire, Worker, World};
