//! Cost of the filter.
//!
//! Five Envoys run side by side, alike but for the filter: without it, with one that does nothing, with `inspect: body`, with that and
//! `prefix: off`, with `inspect: headers` ([`Arm`]). In each round each serves a [closed loop](crate::load::closed) of chat requests in its turn,
//! whose pods answer [at once](crate::server::instant), while the others idle. Ratios are taken within a round, whose slices
//! lie next to each other in time, and their median over the rounds is reported ([`Report`]): what else runs on the machine
//! hits all arms alike.
//!
//! What several gateways before the same pods do to them is measured by itself ([`replicas`]), and so is what it costs to know
//! of each other ([`looks`]).

mod arm;
mod cpu;
pub mod looks;
pub mod replicas;
mod report;
mod slice;

pub use self::arm::Arm;
pub use self::report::{Report, Setup};
pub use self::slice::{Loads, Slice};
