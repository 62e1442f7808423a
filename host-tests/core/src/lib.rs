//! The pure core of slo-router as a library of its own: the same files, which find nothing here of proxies, of what workers
//! share, or of wire formats. So it is the compiler that keeps them apart.

#[cfg(all(test, target_family = "wasm", target_os = "unknown"))]
#[macro_use]
extern crate slo_router_on_node;

#[path = "../../../src/json/mod.rs"]
pub mod json;
#[path = "../../../src/scheduling/mod.rs"]
pub mod scheduling;
