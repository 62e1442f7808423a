//! The policies: each decides where and when the waiting requests run.

mod name;

pub use self::name::{PolicyName, UnknownPolicy};
