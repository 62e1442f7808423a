//! The proxy's log as the target of [`log`]'s macros.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::ffi;

/// Below Envoy's own threshold nothing arrives in its log.
const MOST: LevelFilter = LevelFilter::Info;
/// Level that the ABI calls critical: a panic ends the VM.
const CRITICAL: u32 = 5;

struct ProxyLog;

/// Sends what is logged to the proxy, and what a panic says.
pub(super) fn start() {
    // Refused only where it was done already.
    if log::set_logger(&ProxyLog).is_ok() {
        log::set_max_level(MOST);
        std::panic::set_hook(Box::new(|panic| write(CRITICAL, &panic.to_string())));
    }
}

fn write(level: u32, message: &str) {
    // SAFETY: pointer and length are those of the string.
    unsafe { ffi::proxy_log(level, message.as_ptr(), message.len()) };
}

// === impl ProxyLog ===

impl Log for ProxyLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= MOST
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        write(level, &record.args().to_string());
    }

    fn flush(&self) {}
}
