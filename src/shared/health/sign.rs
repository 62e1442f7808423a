//! Signs of a pod's health.

use std::time::Duration;

/// Sign of a pod's health: an answer, or its lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered well.
    Well,
    /// It answered that the request was wrong: it is there, which says nothing of what else it
    /// does.
    There,
    /// It refused, reset before headers, or failed before any output while it served nobody else.
    Failed,
    /// It broke off.
    BrokeOff,
    /// It answered 500 while it served others.
    Erred,
    /// It said nothing while others answered.
    Silent,
    /// It has no room for so long.
    Full(Duration),
    /// Nothing.
    Nothing,
}
