//! Ways to read a value.

/// The way the value of a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueShape {
    /// Arrays and objects are not looked into.
    Scalar,
    /// By the texts under the keys of messages, or under any.
    Measured {
        all_keys: bool,
    },
    /// As JSON, as a chat template writes it.
    Json,
    Parameters,
}
