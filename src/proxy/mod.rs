//! The shell around the filter inside a proxy (wasm32-wasip1 only), on the `proxy-wasm` crate:
//! contexts, and the proxy's calls. It decides nothing.

mod entry;
mod host;
mod raw;
