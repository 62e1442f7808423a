//! Measurements in each cell of a profile.

use super::axis::Axis;
use super::cell::Cell;
use super::error::ProfileError;

/// Rows of output ticks, columns of input ticks; `None` where there is no data.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix<T>(Vec<Vec<Option<T>>>);

// === impl Matrix ===

impl<T: Copy> Matrix<T> {
    /// Checks that there is a cell for each pair of ticks and converts each; `field` and `expected`
    /// are for errors.
    pub(super) fn try_new(
        field: &str,
        cells: &[Vec<Option<f64>>],
        (rows, columns): (&Axis, &Axis),
        expected: &'static str,
        convert: impl Fn(f64) -> Option<T>,
    ) -> Result<Self, ProfileError> {
        if cells.len() != rows.len() {
            let found = format!("{} rows", cells.len());
            return Err(ProfileError::invalid(field, found, format!("{} rows, as indexes[0] has ticks", rows.len())));
        }
        let checked = cells.iter().enumerate().map(|(row, values)| {
            if values.len() != columns.len() {
                let expected = format!("{} cells, as indexes[1] has ticks", columns.len());
                let found = format!("{} cells", values.len());
                return Err(ProfileError::invalid(format_args!("{field}[{row}]"), found, expected));
            }
            let cells = values.iter().enumerate().map(|(column, value)| {
                let Some(value) = *value else { return Ok(None) };
                let path = format_args!("{field}[{row}][{column}]");
                convert(value).map(Some).ok_or_else(|| ProfileError::invalid(path, value, expected))
            });
            cells.collect()
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a cell.
    pub(super) fn get(&self, cell: Cell) -> Option<T> {
        *self.0.get(cell.row)?.get(cell.column)?
    }
}
