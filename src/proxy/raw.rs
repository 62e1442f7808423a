//! Calls that the filter makes itself, not by the `proxy-wasm` crate (0.2.5). Every status comes
//! back as an error.
//!
//! Sources are `source/extensions/common/wasm/context.cc` of Envoy (`Context::…`) and `src/`
//! of proxy-wasm-cpp-host (all else). Tests are of
//! `host-tests/wasm-host/tests/host/differential.rs`, which asks a real Envoy;
//! `tests/filter/statuses.rs` there returns each status to the filter.
//!
//! The crate panics on a status that Envoy returns, of what the filter calls, in two functions:
//!
//! - `set_map_value`: BadArgument by `Context::replaceHeaderMapValue`;
//! - `remove_map_value`: BadArgument by `Context::removeHeaderMapValue`.
//!
//! Both are where there is no such map, as of a request that has gone on: `headers_after_a_resume`.
//!
//! Four calls need more than the crate's own give:
//!
//! - `proxy_get_property`: `get_property` takes a value of no bytes for none; an empty subset hint
//!   is one that allows no pod (`properties`, and in the gateway's tests
//!   `a_subset_hint_without_a_pod_of_ours_is_a_503`). NotFound, SerializationFailure and
//!   InternalFailure by `Context::getProperty`.
//! - `proxy_get_header_map_pairs`: `get_map_bytes` makes two allocations for each header, and
//!   panics where a name is no UTF-8 (`get_map`: or a value).
//! - `proxy_send_local_response`: `send_http_response` passes no details for the access log.
//! - `clock_time_get`: `get_current_time` is the wall clock, and an `Instant` of `std` is no
//!   number. Instants in shared data are of the one monotonic clock that all VMs of a process read.
//!
//! All others are the crate's. What Envoy returns from them, beside success, is an error or nothing
//! there:
//!
//! | function | status | source | test |
//! |---|---|---|---|
//! | `dispatch_http_call` | BadArgument, InternalFailure | `Context::httpCall` | `callouts` |
//! | `get_buffer` | NotFound | `exports.cc` | `a_root_that_resumes_and_replies` |
//! | `get_shared_data` | NotFound | `shared_data.cc` | `shared_data_and_metrics` |
//! | `set_shared_data` | CasMismatch | `shared_data.cc` | `shared_data_and_metrics` |
//! | `enqueue_shared_queue` | NotFound | `shared_queue.cc` | `a_queue_as_a_trampoline` |
//! | `dequeue_shared_queue` | NotFound, Empty | `shared_queue.cc` | `a_queue_as_a_trampoline` |
//! | `set_effective_context` | BadArgument | `exports.cc` | `a_client_that_leaves` |
//! | `increment_metric` | NotFound | `Context::incrementMetric` | `shared_data_and_metrics` |
//! | | BadArgument | the same | `shared_data_and_metrics` |
//! | `record_metric` | NotFound | `Context::recordMetric` | `shared_data_and_metrics` |
//!
//! `log`, `set_tick_period`, `define_metric`, `register_shared_queue` and `resume_http_request`
//! (`Context::continueStream`, also of a root: `a_root_that_resumes_and_replies`) always succeed.
//!
//! InvalidMemoryAccess is for pointers outside the VM's memory. Where an operator leaves a function
//! out of `capability_restriction_config`, Envoy returns InternalFailure from it (`exports.h`): the
//! filter needs all that it imports.

use crate::session::host::Refused;

/// Status of a call (`proxy_status_t`).
type Status = u32;

const OK: Status = 0;
const NO_GRPC_STATUS: i32 = -1;
const MONOTONIC_CLOCK: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> Status;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> Status;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> Status;
    fn proxy_send_local_response(
        status_code: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> Status;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision_ns: u64, time_ns: *mut u64) -> u32;
}

fn checked(status: Status) -> Result<(), Refused> {
    if status == OK { Ok(()) } else { Err(Refused(status)) }
}

/// Runs a call that returns bytes.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> Status) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (std::ptr::null_mut::<u8>(), 0_usize);
    checked(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host filled `size` bytes that it had `proxy_on_memory_allocate` take from the
    // global allocator as a boxed slice of exactly that size, and gives them to nobody else.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Returns a header map as the host serialises it.
pub(super) fn header_map(map: u32) -> Result<Vec<u8>, Refused> {
    // SAFETY: `returned` passes valid pointers.
    returned(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
}

/// Returns a property by its path, whose parts a zero byte separates.
pub(super) fn property(path: &str) -> Result<Vec<u8>, Refused> {
    // SAFETY: `returned` passes valid pointers; pointer and length are those of the string.
    returned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a header, replacing its value.
pub(super) fn set_header(map: u32, name: &str, value: &str) -> Result<(), Refused> {
    // SAFETY: pointers and lengths are those of the strings.
    checked(unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Removes all values of a header.
pub(super) fn remove_header(map: u32, name: &str) -> Result<(), Refused> {
    // SAFETY: pointer and length are those of the string.
    checked(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Answers the effective context's request; `headers` are serialised, `details` go to the access
/// log.
pub(super) fn send_reply(status: u32, headers: &[u8], body: &[u8], details: &str) -> Result<(), Refused> {
    // SAFETY: pointers and lengths are those of the slices.
    checked(unsafe {
        proxy_send_local_response(
            status,
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

/// Returns the time on the process's monotonic clock; zero on an error, which stops no request.
pub(super) fn monotonic_ns() -> u64 {
    let mut time_ns = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { clock_time_get(MONOTONIC_CLOCK, 1_000, &raw mut time_ns) };
    time_ns
}
