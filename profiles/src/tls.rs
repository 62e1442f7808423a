//! TLS for everything that this tool talks to.

/// An HTTP client to build on. TLS comes from ring: the default library of `reqwest` needs a C toolchain of its own.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    // A second installation is refused, and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
