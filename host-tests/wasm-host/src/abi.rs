//! Numbers of the proxy-wasm ABI 0.2.1, as the specification's tables give them.

/// Status that a host call returns (`proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such key, queue, metric, function or property.
    NotFound = 1,
    /// An argument that cannot be right here, such as a header map that is gone.
    BadArgument = 2,
    /// A property that has no bytes.
    SerializationFailure = 3,
    /// A pointer outside the guest's memory.
    InvalidMemoryAccess = 6,
    /// The queue holds nothing.
    Empty = 7,
    /// The value was changed since it was read.
    CasMismatch = 8,
    /// The proxy could not do it now, such as a callout to a cluster without hosts.
    InternalFailure = 10,
}

/// Levels of `proxy_log`, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest detail.
    Trace,
    /// For developers.
    Debug,
    /// For operators, nothing wrong.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
    /// The SDK's panic hook logs here.
    Critical,
}

impl LogLevel {
    /// The level of an ABI number; none for an unknown one.
    pub(crate) fn from_abi(level: u32) -> Option<Self> {
        Some(match level {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// Direction in which data flows through the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// A header map that the guest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapType {
    Headers(Direction),
    Trailers(Direction),
    CallHeaders,
    CallTrailers,
    Grpc,
}

impl MapType {
    pub(crate) fn from_abi(map: u32) -> Option<Self> {
        Some(match map {
            0 => Self::Headers(Direction::Request),
            1 => Self::Trailers(Direction::Request),
            2 => Self::Headers(Direction::Response),
            3 => Self::Trailers(Direction::Response),
            4 | 5 => Self::Grpc,
            6 => Self::CallHeaders,
            7 => Self::CallTrailers,
            _ => return None,
        })
    }
}

/// A byte buffer that the guest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferType {
    Body(Direction),
    CallBody,
    VmConfiguration,
    PluginConfiguration,
    /// Known to the ABI, never filled by this host (TCP, gRPC, call data).
    Other,
}

impl BufferType {
    pub(crate) fn from_abi(buffer: u32) -> Option<Self> {
        Some(match buffer {
            0 => Self::Body(Direction::Request),
            1 => Self::Body(Direction::Response),
            4 => Self::CallBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            2 | 3 | 5 | 8 => Self::Other,
            _ => return None,
        })
    }
}

/// Envoy's response flags, as `response.flags` shows them.
pub mod flags {
    /// No healthy upstream.
    pub const NO_HEALTHY_UPSTREAM: u64 = 0x2;
    /// The upstream ended the connection before its headers.
    pub const UPSTREAM_CONNECTION_TERMINATION: u64 = 0x40;
    /// The client left.
    pub const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 0x4000;
    /// Nothing moved on the stream for `stream_idle_timeout`.
    pub const STREAM_IDLE_TIMEOUT: u64 = 0x10000;
}
