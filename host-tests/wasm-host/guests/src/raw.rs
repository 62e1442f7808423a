//! The proxy's functions with their statuses: the SDK panics on those that it does not expect.

use std::ptr::{null, null_mut};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_set_effective_context(id: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        code: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc: i32,
    ) -> u32;
    fn proxy_replace_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        size: usize,
        out: *mut *mut u8,
        out_size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, out: *mut *mut u8, out_size: *mut usize) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, out: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, length: usize, data: *const u8, size: usize) -> u32;
    fn proxy_set_shared_data(key: *const u8, size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        size: usize,
        out: *mut *mut u8,
        out_size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, size: usize, out: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(vm: *const u8, vm_size: usize, name: *const u8, size: usize, out: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, out: *mut *mut u8, out_size: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, size: usize, out: *mut *mut u8, out_size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, out: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_metric(id: u32, out: *mut u64) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        size: usize,
        data: *const u8,
        data_size: usize,
        out: *mut *mut u8,
        out_size: *mut usize,
    ) -> u32;
}

/// A status and, where it is 0, the text that came with it.
pub type Answer = (u32, String);

fn text(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Answer {
    let (mut data, mut size) = (null_mut(), 0);
    let status = call(&mut data, &mut size);
    if status != 0 || data.is_null() {
        return (status, String::new());
    }
    // The proxy allocated these bytes through this module's own allocator and hands them over.
    let bytes = unsafe { Vec::from_raw_parts(data, size, size) };
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

pub fn set_effective_context(id: u32) -> u32 {
    unsafe { proxy_set_effective_context(id) }
}

pub fn continue_stream(stream: u32) -> u32 {
    unsafe { proxy_continue_stream(stream) }
}

pub fn local_response(code: u32, body: &str) -> u32 {
    let no_headers = 0_u32.to_le_bytes();
    unsafe { proxy_send_local_response(code, null(), 0, body.as_ptr(), body.len(), no_headers.as_ptr(), 4, -1) }
}

pub fn set_header(map: u32, key: &str, value: &str) -> u32 {
    unsafe { proxy_replace_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub fn remove_header(map: u32, key: &str) -> u32 {
    unsafe { proxy_remove_header_map_value(map, key.as_ptr(), key.len()) }
}

pub fn header(map: u32, key: &str) -> Answer {
    text(|out, size| unsafe { proxy_get_header_map_value(map, key.as_ptr(), key.len(), out, size) })
}

/// The status, and whether there are any pairs.
pub fn pairs(map: u32) -> (u32, bool) {
    let (status, bytes) = text(|out, size| unsafe { proxy_get_header_map_pairs(map, out, size) });
    (status, !bytes.is_empty())
}

pub fn buffer(buffer: u32, start: usize) -> Answer {
    text(|out, size| unsafe { proxy_get_buffer_bytes(buffer, start, usize::MAX / 2, out, size) })
}

pub fn set_buffer(buffer: u32, start: usize, length: usize, data: &str) -> u32 {
    unsafe { proxy_set_buffer_bytes(buffer, start, length, data.as_ptr(), data.len()) }
}

pub fn set_shared(key: &str, value: &str, cas: u32) -> u32 {
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}

/// Status, value, CAS number.
pub fn shared(key: &str) -> (u32, String, u32) {
    let mut cas = 0;
    let (status, value) =
        text(|out, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), out, size, &mut cas) });
    (status, value, cas)
}

pub fn register_queue(name: &str) -> u32 {
    let mut queue = 0;
    unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue) }
}

/// The status and the token.
pub fn resolve_queue(name: &str) -> (u32, u32) {
    let mut queue = 0;
    let status = unsafe { proxy_resolve_shared_queue(null(), 0, name.as_ptr(), name.len(), &mut queue) };
    (status, queue)
}

pub fn enqueue(queue: u32, message: &str) -> u32 {
    unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) }
}

pub fn dequeue(queue: u32) -> Answer {
    text(|out, size| unsafe { proxy_dequeue_shared_queue(queue, out, size) })
}

pub fn property(path: &str) -> Answer {
    text(|out, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), out, size) })
}

pub fn define_metric(kind: u32, name: &str) -> (u32, u32) {
    let mut id = 0;
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status, id)
}

pub fn increment_metric(id: u32, offset: i64) -> u32 {
    unsafe { proxy_increment_metric(id, offset) }
}

pub fn record_metric(id: u32, value: u64) -> u32 {
    unsafe { proxy_record_metric(id, value) }
}

pub fn metric(id: u32) -> (u32, u64) {
    let mut value = 0;
    let status = unsafe { proxy_get_metric(id, &mut value) };
    (status, value)
}

pub fn foreign_function(name: &str) -> u32 {
    text(|out, size| unsafe { proxy_call_foreign_function(name.as_ptr(), name.len(), null(), 0, out, size) }).0
}
