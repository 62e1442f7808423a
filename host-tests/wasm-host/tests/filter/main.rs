//! The real filter on the host: several VMs, time, faults, races.

mod callouts;
mod crowds;
mod death;
mod ends;
mod reading;
mod support;
mod workers;
