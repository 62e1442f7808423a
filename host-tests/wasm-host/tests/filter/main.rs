//! The real filter on the host: several VMs, time, faults, races.

mod callouts;
mod clock;
mod crowds;
mod death;
mod ends;
mod health;
mod reading;
mod support;
mod update;
mod workers;
