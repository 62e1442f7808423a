//! One direction of a stream on its way through the filter, as Envoy's filter manager keeps it.

use crate::Headers;

/// State of a direction: whether its frames flow on or are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Iteration {
    /// On to the next filter.
    #[default]
    Flowing,
    /// Held here, but the filter still sees what comes (`StopIteration`).
    Stopped,
    /// Held before the filter, which sees nothing until it resumes (`StopAllIterationAndWatermark`).
    StoppedAll,
}

/// Frames that left the filter in this direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) headers: Option<Headers>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Headers>,
    pub(crate) ended: bool,
}

/// One direction. "Visible" is what the guest may touch now.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) headers: Headers,
    pub(crate) headers_visible: bool,
    pub(crate) headers_continued: bool,
    /// Headers have come in.
    pub(crate) begun: bool,
    /// The last frame has come in.
    pub(crate) ended: bool,
    pub(crate) iteration: Iteration,
    /// Body held back.
    pub(crate) buffered: Option<Vec<u8>>,
    /// The guest paused in the body callback, so what is held back is what it reads and writes.
    pub(crate) buffering: bool,
    /// The piece that is being announced.
    pub(crate) chunk: Option<Vec<u8>>,
    pub(crate) trailers: Option<Headers>,
    pub(crate) trailers_visible: bool,
    pub(crate) sent: Sent,
}

// === impl Half ===

impl Half {
    /// The body that the guest reads and writes now; none outside a body callback and the pause that began in one.
    pub(crate) fn body(&mut self) -> Option<&mut Vec<u8>> {
        if self.buffering { Some(self.buffered.get_or_insert_default()) } else { self.chunk.as_mut() }
    }

    /// Holds a piece back.
    pub(crate) fn buffer(&mut self, piece: Vec<u8>) {
        self.buffered.get_or_insert_default().extend(piece);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.iteration != Iteration::Flowing
    }
}
