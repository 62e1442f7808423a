//! The shape of a request: how many tokens go in and how many come out.

/// (output tokens, input tokens) of a request; the output may be an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Tokens to generate, all choices (`n`) together.
    pub output_tokens: u32,
    /// Tokens of the prompt.
    pub input_tokens: u32,
}
