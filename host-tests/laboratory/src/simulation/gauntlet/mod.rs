//! The gauntlet: that `slo-attainment` never loses to weighted least-request, on whatever engines, clusters, workers and loads.
//!
//! - [`cells`]: what is run: scenarios × loads × workers × what the gateway is told of its pods, by hand and so that all pairs occur.
//! - [`crossing`]: a scenario's unit of load, the rate at which weighted least-request keeps 95 %.
//! - [`trial`]: the runs of a cell, each policy with the same arrivals.
//! - [`law`]: what must hold in every cell.
//! - [`known`]: cells that are known to break it.
//! - [`store`]: results on disk, so that a gauntlet goes on where it was stopped.
//! - [`verdict`]: the table, and whether all is as it should be.

pub mod cells;
pub mod crossing;
pub mod known;
pub mod law;
pub mod store;
pub mod trial;
pub mod verdict;
