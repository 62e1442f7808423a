//! The proxy as [`Host`] and [`Store`], by the host calls of the proxy-wasm ABI and WASI. Every call returns the host's own
//! status; none panics.

use std::time::Duration;

use super::ffi;
use crate::scheduling::time::Instant;
use crate::session::headers::Headers;
use crate::session::host::{Buffer, Host, Map, Metric, MetricKind, Refused};
use crate::shared::store::{Contended, NEVER, Store, Stored};

const MONOTONIC_CLOCK: u32 = 1;
const REQUEST_STREAM: u32 = 0;
const NO_GRPC_STATUS: i32 = -1;
/// "Look again."
const MESSAGE: &[u8] = b"!";

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proxy;

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Memory for bytes that a call returns: the proxy asks for it while the call runs.
pub(super) fn allocate(size: usize) -> *mut u8 {
    // A boxed slice has no room to spare, so its length is all that is needed to free it.
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
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

// === impl Proxy ===

impl Host for Proxy {
    fn now(&self) -> Instant {
        let mut time_ns = 0;
        // SAFETY: the pointer is valid for the call. On an error the time stays 0, which stops no request.
        unsafe { ffi::clock_time_get(MONOTONIC_CLOCK, 1_000, &raw mut time_ns) };
        Instant::from_micros(time_ns.checked_div(1_000).unwrap_or_default())
    }

    fn random_seed(&self) -> u64 {
        let mut seed = [0; 8];
        // SAFETY: pointer and length are those of the array. On an error the seed is 0: the choices are less random.
        unsafe { ffi::random_get(seed.as_mut_ptr(), seed.len()) };
        u64::from_ne_bytes(seed)
    }

    fn set_tick_period(&self, period: Duration) {
        let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: no pointers. Envoy knows no failure of this call.
        unsafe { ffi::proxy_set_tick_period_milliseconds(period_ms) };
    }

    fn call(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Result<u32, Refused> {
        let (headers, trailers) = (Headers::encode(headers), Headers::encode(&[]));
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

    fn buffer(&self, buffer: Buffer, start: usize, size: usize) -> Option<Vec<u8>> {
        // SAFETY: `returned` passes valid pointers.
        let bytes =
            returned(|data, length| unsafe { ffi::proxy_get_buffer_bytes(buffer as u32, start, size, data, length) });
        bytes.ok()
    }

    fn headers(&self, map: Map) -> Headers {
        // SAFETY: `returned` passes valid pointers.
        let bytes = returned(|data, length| unsafe { ffi::proxy_get_header_map_pairs(map as u32, data, length) });
        bytes.map(Headers::decode).unwrap_or_default()
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        // SAFETY: pointers and lengths are those of the strings.
        checked(unsafe {
            ffi::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
        })
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Refused> {
        // SAFETY: pointer and length are those of the string.
        checked(unsafe { ffi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        // SAFETY: pointers and lengths are valid for the call.
        returned(|data, size| unsafe { ffi::proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
    }

    fn take_message(&self, queue: u32) -> bool {
        // SAFETY: `returned` passes valid pointers.
        returned(|data, size| unsafe { ffi::proxy_dequeue_shared_queue(queue, data, size) }).is_ok()
    }

    fn set_effective_context(&self, context: u32) -> Result<(), Refused> {
        // SAFETY: no pointers.
        checked(unsafe { ffi::proxy_set_effective_context(context) })
    }

    fn resume_request(&self) -> Result<(), Refused> {
        // SAFETY: no pointers.
        checked(unsafe { ffi::proxy_continue_stream(REQUEST_STREAM) })
    }

    fn send_reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8], details: &str) -> Result<(), Refused> {
        let headers = Headers::encode(headers);
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

    fn define_metric(&self, kind: MetricKind, name: &str) -> Metric {
        // Where the host refuses, an id that it does not know, so that recording does nothing.
        let mut id = u32::MAX;
        // SAFETY: pointers and length are valid for the call.
        unsafe { ffi::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) };
        Metric(id)
    }

    fn add(&self, Metric(counter): Metric, count: u32) {
        // Envoy refuses zero.
        if count > 0 {
            // SAFETY: no pointers.
            unsafe { ffi::proxy_increment_metric(counter, i64::from(count)) };
        }
    }

    fn record(&self, Metric(metric): Metric, value: u64) {
        // SAFETY: no pointers.
        unsafe { ffi::proxy_record_metric(metric, value) };
    }
}

impl Store for Proxy {
    fn get(&self, key: &str) -> Stored {
        let mut version = 0;
        // SAFETY: pointers and lengths are valid for the call.
        let bytes = returned(|data, size| unsafe {
            ffi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
        });
        match bytes {
            Ok(bytes) => Stored { bytes, version },
            Err(Refused(_)) => Stored { bytes: Vec::new(), version: NEVER },
        }
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        // SAFETY: pointers and lengths are those of the slices.
        let status =
            unsafe { ffi::proxy_set_shared_data(key.as_ptr(), key.len(), bytes.as_ptr(), bytes.len(), version) };
        checked(status).map_err(|_| Contended)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        let mut queue = 0;
        // SAFETY: pointers and length are valid for the call.
        let status = unsafe { ffi::proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) };
        checked(status).ok().map(|()| queue)
    }

    fn send(&self, mailbox: u32) {
        // A message that is lost is made up for by the next tick.
        // SAFETY: pointer and length are those of the slice.
        let _ = unsafe { ffi::proxy_enqueue_shared_queue(mailbox, MESSAGE.as_ptr(), MESSAGE.len()) };
    }
}
