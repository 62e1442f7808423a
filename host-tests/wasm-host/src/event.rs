//! The log of all that was seen, for assertions and for comparison with Envoy.

use std::fmt;
use std::time::Duration;

use crate::abi::LogLevel;

/// An event loop of the proxy: the main one or a worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thread {
    /// Runs base, canaries and one VM of its own, and never sees a stream.
    Main,
    /// The worker of that number, from zero.
    Worker(usize),
}

/// Purpose of a VM instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instantiated only; the others are made after it.
    Base,
    /// Tries a configuration on the main thread before it is taken, then goes.
    Canary,
    /// The one that lives on a thread.
    Local,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Virtual time since the world began.
    pub at: Duration,
    /// The event loop it happened on.
    pub thread: Thread,
    /// Purpose of the VM.
    pub role: Role,
    /// The VM's number: counts all instances made, so a reloaded VM has a new one.
    pub vm: usize,
    /// The true context.
    pub context: u32,
    /// Kind of the event.
    pub what: What,
}

/// Kind of an [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The guest was entered through this export.
    Callback(&'static str),
    /// The guest logged.
    Log(LogLevel, String),
    /// A stream's request went on to the upstream side.
    Forwarded,
    /// The stream ended, with this response code if it had one.
    Ended(Option<u16>),
    /// The VM died.
    Trapped(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3?} {:?} {:?} vm {} context {}: ", self.at, self.thread, self.role, self.vm, self.context)?;
        match &self.what {
            What::Callback(name) => write!(f, "{name}"),
            What::Log(level, message) => write!(f, "[{level:?}] {message}"),
            What::Forwarded => write!(f, "forwarded"),
            What::Ended(Some(code)) => write!(f, "ended with {code}"),
            What::Ended(None) => write!(f, "ended without a response"),
            What::Trapped(why) => write!(f, "trapped: {why}"),
        }
    }
}
