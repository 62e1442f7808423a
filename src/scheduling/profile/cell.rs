//! A place in the matrices of a profile.

/// An entry of a profile's matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Index of the tick of output tokens.
    pub row: usize,
    /// Index of the tick of input tokens.
    pub column: usize,
    /// `true` where the shape lay beyond the measured range of an axis, so that the cell may be far
    /// from the truth.
    pub clamped: bool,
}
