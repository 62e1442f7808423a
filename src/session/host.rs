//! The port to the proxy: every call that the way of a request makes. The compiled filter
//! implements it by the proxy's host calls, tests and the simulation by a host of their own.

use std::time::Duration;

use super::headers::Headers;
use crate::scheduling::time::Instant;
use crate::shared::store::Store;

/// The host refused a call, with this status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u32);

/// A header map of the stream in whose context a callback runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Of the request; gone once it has been forwarded.
    Request = 0,
    /// Of the response.
    Response = 2,
    /// Of a callout's answer.
    CalloutAnswer = 6,
}

/// A buffer of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// The request's body, as far as it has come.
    RequestBody = 0,
    /// The part of the response's body that is passing.
    ResponseBody = 1,
    /// The body of a callout's answer.
    CalloutAnswer = 4,
    /// The filter's configuration.
    Configuration = 7,
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only ever grows.
    Counter = 0,
    /// The last value that any VM recorded.
    Gauge = 1,
    /// A distribution of values.
    Histogram = 2,
}

/// A metric, by the id that the proxy gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric(pub u32);

/// The proxy around a VM. Calls that concern a stream go to the effective context's. No call
/// panics.
pub trait Host: Store + Clone {
    /// Returns the time on a monotonic clock.
    fn now(&self) -> Instant;

    /// Returns a number to seed a generator with.
    fn random_seed(&self) -> u64;

    /// Sets the time between two ticks of the root context that runs.
    fn set_tick_period(&self, period: Duration);

    /// Sends an HTTP callout to a cluster, from a callback of the root context; returns the token
    /// by which its answer comes to it.
    ///
    /// # Errors
    /// The proxy's status, such as for a cluster that it does not know.
    fn call(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Result<u32, Refused>;

    /// Returns up to `size` bytes of a buffer from `start` on; `None` if there is none, or if it
    /// ends before.
    fn buffer(&self, buffer: Buffer, start: usize, size: usize) -> Option<Vec<u8>>;

    /// Returns all headers of a map; none if there is no such map.
    fn headers(&self, map: Map) -> Headers;

    /// Sets a header, replacing its value.
    ///
    /// # Errors
    /// The proxy's status where there is no such map.
    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused>;

    /// Removes all values of a header.
    ///
    /// # Errors
    /// The proxy's status where there is no such map.
    fn remove_header(&self, map: Map, name: &str) -> Result<(), Refused>;

    /// Returns a property of the stream or of the proxy by its path, whose parts a zero byte
    /// separates.
    fn property(&self, path: &str) -> Option<Vec<u8>>;

    /// Takes one message out of a mailbox; `false` if it is empty.
    fn take_message(&self, mailbox: u32) -> bool;

    /// Makes another context the effective one.
    ///
    /// # Errors
    /// The proxy's status where it is gone.
    fn set_effective_context(&self, context: u32) -> Result<(), Refused>;

    /// Lets a paused request go on.
    ///
    /// # Errors
    /// The proxy's status where it is gone.
    fn resume_request(&self) -> Result<(), Refused>;

    /// Answers a request in the proxy; `details` stands in its access log.
    ///
    /// # Errors
    /// The proxy's status where it is gone.
    fn send_reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8], details: &str) -> Result<(), Refused>;

    /// Returns the metric of this name, made if there is none.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Metric;

    /// Adds to a counter.
    fn add(&self, counter: Metric, count: u32);

    /// Records a value of a gauge or of a histogram.
    fn record(&self, metric: Metric, value: u64);

    /// Returns the length that each answer to the effective context's request will have, to be
    /// taken for the estimates. No proxy knows: only the simulation answers, which shows by it what
    /// better estimates could bring.
    fn true_output_tokens(&self) -> Option<u32> {
        None
    }
}
