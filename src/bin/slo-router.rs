//! `slo-router check FILE`: says natively what the filter would say of a configuration.
fn main() {}
