//! Measurements as they are kept on disk: enough to build a profile under another SLO without measuring again.

mod file;
mod point;
mod spread;

pub use self::file::{Appender, FileError, Header, Measurements, Source};
pub use self::point::{Arrivals, Ending, Latencies, Lengths, Point, Requests, Summary};
pub use self::spread::{PERCENTILES, Spread};
