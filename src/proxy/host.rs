//! The proxy as [`Host`] and [`Store`]: the `proxy-wasm` crate's host calls, and those of [`raw`].

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MetricType, Status};

use super::raw;
use crate::scheduling::time::Instant;
use crate::session::headers::Headers;
use crate::session::host::{Buffer, Host, Map, Metric, MetricKind, Refused};
use crate::shared::store::{Contended, NEVER, Store, Stored};

/// "Look again."
const MESSAGE: &[u8] = b"!";

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proxy;

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

fn refused(status: Status) -> Refused {
    Refused(status as u32)
}

// === impl Proxy ===

impl Host for Proxy {
    fn now(&self) -> Instant {
        Instant::from_micros(raw::monotonic_ns().checked_div(1_000).unwrap_or_default())
    }

    fn random_seed(&self) -> u64 {
        // On an error the choices are less random.
        getrandom::u64().unwrap_or_default()
    }

    fn set_tick_period(&self, period: Duration) {
        let _ = hostcalls::set_tick_period(period);
    }

    fn call(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Result<u32, Refused> {
        hostcalls::dispatch_http_call(cluster, headers.to_vec(), Some(body), Vec::new(), timeout).map_err(refused)
    }

    fn buffer(&self, buffer: Buffer, start: usize, size: usize) -> Option<Vec<u8>> {
        let buffer = match buffer {
            Buffer::RequestBody => BufferType::HttpRequestBody,
            Buffer::ResponseBody => BufferType::HttpResponseBody,
            Buffer::CalloutAnswer => BufferType::HttpCallResponseBody,
            Buffer::Configuration => BufferType::PluginConfiguration,
        };
        hostcalls::get_buffer(buffer, start, size).ok().flatten()
    }

    fn headers(&self, map: Map) -> Headers {
        raw::header_map(map as u32).map(Headers::decode).unwrap_or_default()
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        raw::set_header(map as u32, name, value)
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Refused> {
        raw::remove_header(map as u32, name)
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        raw::property(path).ok()
    }

    fn take_message(&self, queue: u32) -> bool {
        matches!(hostcalls::dequeue_shared_queue(queue), Ok(Some(_)))
    }

    fn set_effective_context(&self, context: u32) -> Result<(), Refused> {
        hostcalls::set_effective_context(context).map_err(refused)
    }

    fn resume_request(&self) -> Result<(), Refused> {
        hostcalls::resume_http_request().map_err(refused)
    }

    fn send_reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8], details: &str) -> Result<(), Refused> {
        raw::send_reply(u32::from(status), &Headers::encode(headers), body, details)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Metric {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        // Where the host refuses, an id that it does not know, so that recording does nothing.
        Metric(hostcalls::define_metric(kind, name).unwrap_or(u32::MAX))
    }

    fn add(&self, Metric(counter): Metric, count: u32) {
        // Envoy refuses zero.
        if count > 0 {
            let _ = hostcalls::increment_metric(counter, i64::from(count));
        }
    }

    fn record(&self, Metric(metric): Metric, value: u64) {
        let _ = hostcalls::record_metric(metric, value);
    }
}

impl Store for Proxy {
    fn get(&self, key: &str) -> Stored {
        let (bytes, version) = hostcalls::get_shared_data(key).unwrap_or_default();
        Stored { bytes: bytes.unwrap_or_default(), version: version.unwrap_or(NEVER) }
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        hostcalls::set_shared_data(key, Some(bytes), Some(version)).map_err(|_| Contended)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        hostcalls::register_shared_queue(name).ok()
    }

    fn send(&self, mailbox: u32) {
        // A message that is lost is made up for by the next tick.
        let _ = hostcalls::enqueue_shared_queue(mailbox, Some(MESSAGE));
    }
}
