//! The functions that the proxy calls, by the names of the proxy-wasm ABI: each goes straight to the [`Router`] of its root.
//!
//! The SDK's entry points are not used: they would call into the VM twice more at the end of each request, since the proxy
//! calls what a filter exports, and each such call costs it more than what this filter does there. What is not exported is not
//! called: `proxy_on_delete` alone ends streams and roots.

use super::host::{Proxy, allocate};
use super::log;
use crate::scheduling::request::RequestId;
use crate::session::{Next, Vm};

thread_local! {
    /// A VM has one thread.
    static VM: Vm<Proxy> = const { Vm::new(Proxy) };
}

/// `Action::Continue` and `Action::Pause` of the ABI.
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the proxy calls this once, before anything else.
    unsafe { __wasm_call_ctors() };
    log::start();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    allocate(size)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root != 0 {
        VM.with(|vm| vm.add_stream(context, root));
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    u32::from(VM.with(|vm| vm.configure(root, size)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    VM.with(|vm| vm.on_root(root, |router| router.on_tick()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
    VM.with(|vm| vm.on_root(root, |router| router.on_message(queue)));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(root: u32, token: u32, headers: u32, body_size: usize, _trailers: u32) {
    VM.with(|vm| vm.on_root(root, |router| router.on_callout_answer(token, headers > 0, body_size)));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _count: u32, end_of_stream: u32) -> u32 {
    let next =
        VM.with(|vm| vm.on_stream(stream, |router| router.on_request_headers(RequestId(stream), end_of_stream != 0)));
    action(next)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(stream: u32, size: usize, end_of_stream: u32) -> u32 {
    let next = VM
        .with(|vm| vm.on_stream(stream, |router| router.on_request_body(RequestId(stream), size, end_of_stream != 0)));
    action(next)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(stream: u32, _count: u32) -> u32 {
    action(VM.with(|vm| vm.on_stream(stream, |router| router.on_request_trailers(RequestId(stream)))))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, _count: u32, end_of_stream: u32) -> u32 {
    VM.with(|vm| vm.on_stream(stream, |router| router.on_response_headers(RequestId(stream), end_of_stream != 0)));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(stream: u32, size: usize, end_of_stream: u32) -> u32 {
    VM.with(|vm| vm.on_stream(stream, |router| router.on_response_body(RequestId(stream), size, end_of_stream != 0)));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(stream: u32, _count: u32) -> u32 {
    VM.with(|vm| vm.on_stream(stream, |router| router.on_response_trailers(RequestId(stream))));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    VM.with(|vm| vm.delete(context));
}

/// Tells Envoy to pause or to go on; an unknown stream goes on.
fn action(next: Option<Next>) -> u32 {
    if next == Some(Next::Wait) { PAUSE } else { CONTINUE }
}
