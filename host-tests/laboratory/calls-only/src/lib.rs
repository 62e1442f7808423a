//! A filter that makes the calls which slo-router makes for a request that is placed at once (`inspect: body`), in the same
//! callbacks, and does nothing else: it parses nothing, decides nothing and keeps nothing, but a buffer for what is returned.
//!
//! The requests go where the cluster sends those without an override header. What an Envoy takes with it more than an Envoy without any filter is
//! the price of asking a proxy for all that the contract needs; what slo-router takes more than this is its own.
//!
//! `tests/filter/cost.rs` of the wasmtime host counts slo-router's calls. Its two more reads of the clock are left out here.

#![cfg(target_arch = "wasm32")]

use std::cell::UnsafeCell;
use std::ptr::null_mut;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const MONOTONIC_CLOCK: u32 = 1;

/// As long as slo-router's name of its board, and as much as it holds where five pods are busy.
const BOARD: &str = "slo-router/1/0123456789abcdef/bench/board";
const BOARD_BYTES: [u8; 700] = [7; 700];

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, length: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision_ns: u64, time_ns: *mut u64) -> u32;
}

/// Memory for what the proxy returns: always the same bytes, so that nothing is allocated.
struct Returned(UnsafeCell<[u8; 64 << 10]>);

// SAFETY: a VM has one thread.
unsafe impl Sync for Returned {}

static RETURNED: Returned = Returned(UnsafeCell::new([0; 64 << 10]));

// === callbacks ===

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    if size > size_of::<Returned>() { null_mut() } else { RETURNED.0.get().cast() }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _root: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_stream: u32, _count: u32, end_of_stream: u32) -> u32 {
    now();
    headers(REQUEST_HEADERS);
    if end_of_stream == 0 { PAUSE } else { CONTINUE }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(_stream: u32, size: usize, end_of_stream: u32) -> u32 {
    if end_of_stream == 0 {
        return PAUSE;
    }
    buffer(REQUEST_BODY, size);
    now();
    write_board();
    set_header(REQUEST_HEADERS, "x-calls-only-endpoint", "127.0.0.1:12345");
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_stream: u32, _count: u32, _end_of_stream: u32) -> u32 {
    property("upstream\0address");
    headers(RESPONSE_HEADERS);
    set_header(RESPONSE_HEADERS, "x-calls-only-pod", "127.0.0.1:12345");
    set_header(RESPONSE_HEADERS, "x-calls-only-policy", "slo");
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(_stream: u32, size: usize, _end_of_stream: u32) -> u32 {
    buffer(RESPONSE_BODY, size);
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_context: u32) {
    now();
    write_board();
}

// === calls; what they return is left where it is ===

fn now() {
    let mut time_ns = 0;
    // SAFETY: the pointer is valid for the call; so are those of the other calls.
    unsafe { clock_time_get(MONOTONIC_CLOCK, 1_000, &raw mut time_ns) };
}

fn headers(map: u32) {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: as above.
    unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
}

fn buffer(buffer: u32, length: usize) {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: as above.
    unsafe { proxy_get_buffer_bytes(buffer, 0, length, &raw mut data, &raw mut size) };
}

fn property(path: &str) {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: as above.
    unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
}

fn set_header(map: u32, name: &str, value: &str) {
    // SAFETY: as above.
    unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn write_board() {
    // SAFETY: as above. Version 0 writes whatever there is.
    unsafe { proxy_set_shared_data(BOARD.as_ptr(), BOARD.len(), BOARD_BYTES.as_ptr(), BOARD_BYTES.len(), 0) };
}
