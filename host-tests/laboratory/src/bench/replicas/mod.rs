//! Cost of several gateways that serve the same pods.
//!
//! Each [`Arm`] is a number of Envoys before the same [`pods`], under the same arrivals, each of which goes to one of the gateways
//! at random. Pods tell how long they ran more than they sustain, and slow down while they do; clients tell how many
//! objectives were kept.

mod arm;
mod arrivals;
mod cost;
mod model;
pub mod pods;
mod report;

pub use arm::{Arm, Meet, Outcome};
pub use arrivals::{Arrival, Load, arrivals};
pub use cost::{Cost, cost};
pub use model::{Findings, Model, Scene};
pub use report::Report;
