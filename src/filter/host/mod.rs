//! The host adapter: the only place that calls the proxy. Every call returns what the host said; none panics.

mod ffi;
pub mod log;
mod pairs;

use std::time::Duration;

pub use self::pairs::Headers;
use crate::scheduling::time::Instant;

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

/// A counter: only ever grows.
#[derive(Clone, Copy, Debug)]
pub struct Counter(u32);

/// A gauge: the last value that any VM records.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(u32);

/// A histogram.
#[derive(Clone, Copy, Debug)]
pub struct Histogram(u32);

const MONOTONIC_CLOCK: u32 = 1;
const REQUEST_STREAM: u32 = 0;
const NO_GRPC_STATUS: i32 = -1;

/// Now, on the monotonic clock: the ABI's own time is wall clock, which steps.
pub fn now() -> Instant {
    let mut time_ns = 0;
    // SAFETY: the pointer is valid for the call. On an error the time stays 0, which stops no request.
    unsafe { ffi::clock_time_get(MONOTONIC_CLOCK, 1_000, &raw mut time_ns) };
    Instant::from_micros(time_ns.checked_div(1_000).unwrap_or_default())
}

/// A number to seed a generator with.
pub fn random_seed() -> u64 {
    let mut seed = [0; 8];
    // SAFETY: pointer and length are those of the array. On an error the seed is 0: the choices are less random.
    unsafe { ffi::random_get(seed.as_mut_ptr(), seed.len()) };
    u64::from_ne_bytes(seed)
}

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Memory for bytes that a call returns: the proxy asks for it while the call runs.
pub fn allocate(size: usize) -> *mut u8 {
    // A boxed slice has no room to spare, so its length is all that is needed to free it.
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

/// Sends a callout, whose answer comes to the root; its number tells which one.
pub fn call(cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Result<u32, Refused> {
    let (headers, trailers) = (pairs::encode(headers), pairs::encode(&[]));
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: pointers and lengths are those of the slices.
    let status = unsafe {
        ffi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    checked(status).map(|()| token)
}

/// Sets the time between two ticks of the root context that runs.
pub fn set_tick_period(period: Duration) {
    let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: no pointers. Envoy knows no failure of this call.
    unsafe { ffi::proxy_set_tick_period_milliseconds(period_ms) };
}

/// The first bytes of a buffer. `None` if there is none.
pub fn buffer(buffer: Buffer, size: usize) -> Option<Vec<u8>> {
    part(buffer, 0, size)
}

/// Bytes of a buffer, from `start` on. `None` if there is none, or if it ends before.
pub fn part(buffer: Buffer, start: usize, size: usize) -> Option<Vec<u8>> {
    // SAFETY: `returned` passes valid pointers.
    let bytes =
        returned(|data, length| unsafe { ffi::proxy_get_buffer_bytes(buffer as u32, start, size, data, length) });
    bytes.ok()
}

/// All headers of a map; empty if there is none.
pub fn headers(map: Map) -> Headers {
    // SAFETY: `returned` passes valid pointers.
    let bytes = returned(|data, length| unsafe { ffi::proxy_get_header_map_pairs(map as u32, data, length) });
    bytes.map(Headers::decode).unwrap_or_default()
}

/// Sets a header, replacing what it was.
pub fn set_header(map: Map, name: &str, value: &str) -> Result<(), Refused> {
    // SAFETY: pointers and lengths are those of the strings.
    checked(unsafe {
        ffi::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Removes all values of a header.
pub fn remove_header(map: Map, name: &str) -> Result<(), Refused> {
    // SAFETY: pointer and length are those of the string.
    checked(unsafe { ffi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// A property of the stream or of the proxy, by its path, whose parts a zero byte separates.
pub fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: pointers and lengths are valid for the call.
    returned(|data, size| unsafe { ffi::proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
}

/// A shared value and its version; `None` if there is none.
pub fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut version = 0;
    // SAFETY: pointers and lengths are valid for the call.
    let bytes = returned(|data, size| unsafe {
        ffi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
    });
    bytes.ok().map(|bytes| (bytes, version))
}

/// Sets a shared value if it still has this version.
pub fn set_shared_data(key: &str, value: &[u8], version: u32) -> Result<(), Refused> {
    // SAFETY: pointers and lengths are those of the slices.
    checked(unsafe { ffi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

/// Opens a queue: what is sent to it wakes the root context of the caller.
pub fn register_queue(name: &str) -> Option<u32> {
    let mut queue = 0;
    // SAFETY: pointers and length are valid for the call.
    let status = unsafe { ffi::proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) };
    checked(status).ok().map(|()| queue)
}

/// Takes one message from a queue. `false`: it is empty.
pub fn dequeue(queue: u32) -> bool {
    // SAFETY: `returned` passes valid pointers.
    returned(|data, size| unsafe { ffi::proxy_dequeue_shared_queue(queue, data, size) }).is_ok()
}

/// Sends a message to a queue.
pub fn enqueue(queue: u32, message: &[u8]) -> Result<(), Refused> {
    // SAFETY: pointer and length are those of the slice.
    checked(unsafe { ffi::proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

/// Makes the calls that follow concern another context. Refused if it is gone.
pub fn set_effective_context(context: u32) -> Result<(), Refused> {
    // SAFETY: no pointers.
    checked(unsafe { ffi::proxy_set_effective_context(context) })
}

/// Lets a paused request go on.
pub fn resume_request() -> Result<(), Refused> {
    // SAFETY: no pointers.
    checked(unsafe { ffi::proxy_continue_stream(REQUEST_STREAM) })
}

/// Answers a request here.
pub fn send_reply(status: u16, headers: &[(&str, &str)], body: &[u8], details: &str) -> Result<(), Refused> {
    let headers = pairs::encode(headers);
    // SAFETY: pointers and lengths are those of the slices.
    checked(unsafe {
        ffi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

fn checked(status: ffi::Status) -> Result<(), Refused> {
    if status == ffi::OK { Ok(()) } else { Err(Refused(status)) }
}

/// Runs a call that returns bytes. The host places them in memory that it asks [`allocate`] for.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> ffi::Status) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (std::ptr::null_mut::<u8>(), 0_usize);
    checked(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host filled `size` bytes that `allocate` took from the global allocator as a boxed slice of exactly that size,
    // and gives them to nobody else.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

// === impl Counter, Gauge, Histogram ===

impl Counter {
    /// The counter of this name, made if there is none.
    pub fn define(name: &str) -> Self {
        Self(define(0, name))
    }

    /// Adds; nothing for zero, which Envoy refuses.
    pub fn add(self, count: u32) {
        if count > 0 {
            // SAFETY: no pointers.
            unsafe { ffi::proxy_increment_metric(self.0, i64::from(count)) };
        }
    }
}

impl Gauge {
    /// The gauge of this name, made if there is none.
    pub fn define(name: &str) -> Self {
        Self(define(1, name))
    }

    /// Records its value.
    pub fn record(self, value: u64) {
        // SAFETY: no pointers.
        unsafe { ffi::proxy_record_metric(self.0, value) };
    }
}

impl Histogram {
    /// The histogram of this name, made if there is none.
    pub fn define(name: &str) -> Self {
        Self(define(2, name))
    }

    /// Records a value.
    pub fn record(self, value: u64) {
        // SAFETY: no pointers.
        unsafe { ffi::proxy_record_metric(self.0, value) };
    }
}

/// A metric's id. Where the host refuses, an id that it does not know, so that recording does nothing.
fn define(kind: u32, name: &str) -> u32 {
    let mut id = u32::MAX;
    // SAFETY: pointers and length are valid for the call.
    unsafe { ffi::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    id
}
