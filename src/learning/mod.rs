//! Facts learned from the requests and responses that pass, shared by the VMs of a pool.

mod answers;
mod exchange;
mod knowledge;

pub use self::answers::{Learning, Prediction, PredictionKind, ResponseSample};
pub use self::knowledge::Knowledge;
