//! The real filter on the host: several VMs, time, faults, races.

mod attainment;
mod bodies;
mod bounds;
mod callouts;
mod clock;
mod cost;
mod crowds;
mod death;
mod ends;
mod gateways;
mod health;
mod learning;
mod objectives;
mod placements;
mod reading;
mod refusals;
mod soak;
mod statuses;
mod support;
mod update;
mod workers;
