//! The pure core of slo-router as a library of its own: the same files, which find nothing here of proxies, of what workers
//! share, or of wire formats. So it is the compiler that keeps them apart.

#[path = "../../../src/json/mod.rs"]
pub mod json;
#[path = "../../../src/scheduling/mod.rs"]
pub mod scheduling;
