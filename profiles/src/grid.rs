//! The shapes that a profile has cells for.

use slo_router::scheduling::shape::Shape;

/// Two axes of token counts, both ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Output lengths: the rows.
    pub output_tokens: Vec<u32>,
    /// Prompt lengths: the columns.
    pub input_tokens: Vec<u32>,
}

// === impl Grid ===

impl Grid {
    /// The axes through all of these shapes.
    pub fn through(shapes: impl Iterator<Item = Shape>) -> Self {
        let (mut output_tokens, mut input_tokens): (Vec<_>, Vec<_>) =
            shapes.map(|shape| (shape.output_tokens, shape.input_tokens)).unzip();
        for axis in [&mut output_tokens, &mut input_tokens] {
            axis.sort_unstable();
            axis.dedup();
        }
        Self { output_tokens, input_tokens }
    }

    /// All shapes, row by row. Short ones come first, so that what one learns of them helps with the long ones.
    pub fn shapes(&self) -> impl Iterator<Item = Shape> {
        let row =
            |output_tokens| self.input_tokens.iter().map(move |&input_tokens| Shape { output_tokens, input_tokens });
        self.output_tokens.iter().flat_map(move |&output_tokens| row(output_tokens))
    }

    /// A value per shape, as the matrices of a profile have it: `[output][input]`.
    pub fn matrix<T>(&self, mut value: impl FnMut(Shape) -> T) -> Vec<Vec<T>> {
        let mut row = |output_tokens| {
            self.input_tokens.iter().map(|&input_tokens| value(Shape { output_tokens, input_tokens })).collect()
        };
        self.output_tokens.iter().map(|&output_tokens| row(output_tokens)).collect()
    }

    /// Number of its shapes.
    pub fn cells(&self) -> usize {
        self.output_tokens.len() * self.input_tokens.len()
    }
}
