//! The shell around the filter inside a proxy (wasm32-wasip1 only): the functions that the proxy calls, and the calls that
//! it offers. It decides nothing.

mod entry;
mod ffi;
mod host;
mod log;
