//! The body of a pod's answer.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::UnboundedReceiver;

use super::record::Running;

/// Message to a paced body.
#[derive(Debug)]
pub(super) enum Piece {
    Part(Bytes),
    End,
}

#[derive(Debug)]
enum Source {
    /// Known from the start.
    Parts { left: VecDeque<Bytes>, breaks_off: bool, flushed: bool },
    /// As the test sends them; its end without [`Piece::End`] breaks the body off.
    Paced(UnboundedReceiver<Piece>),
}

/// A body that counts as running until its last byte is handed to the connection, no longer: once the gateway has the end,
/// it may send the next request, and that must not be counted beside this one.
#[derive(Debug)]
pub(super) struct ScriptedBody {
    source: Source,
    running: Option<Running>,
}

// === impl ScriptedBody ===

impl ScriptedBody {
    pub(super) fn parts(parts: Vec<Bytes>, breaks_off: bool, running: Running) -> Self {
        let left = parts.into_iter().filter(|part| !part.is_empty()).collect::<VecDeque<_>>();
        // An empty body is not polled.
        let running = (breaks_off || !left.is_empty()).then_some(running);
        Self { source: Source::Parts { left, breaks_off, flushed: true }, running }
    }

    pub(super) fn paced(pieces: UnboundedReceiver<Piece>, running: Running) -> Self {
        Self { source: Source::Paced(pieces), running: Some(running) }
    }

    fn over(&mut self, breaks_off: bool) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.running = None;
        Poll::Ready(breaks_off.then(|| Err(io::Error::other("the script breaks the answer off"))))
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.source {
            Source::Parts { left, breaks_off, flushed } => {
                // A pause makes the connection send what it has before the next part or the break.
                if !std::mem::replace(flushed, true) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let breaks_off = *breaks_off;
                let Some(part) = left.pop_front() else { return self.over(breaks_off) };
                *flushed = false;
                if left.is_empty() && !breaks_off {
                    self.running = None;
                }
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
            Source::Paced(pieces) => match ready!(pieces.poll_recv(cx)) {
                Some(Piece::Part(part)) => Poll::Ready(Some(Ok(Frame::data(part)))),
                Some(Piece::End) => self.over(false),
                None => self.over(true),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.source, Source::Parts { left, breaks_off: false, .. } if left.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            // A single part has a `content-length`; more are chunks.
            Source::Parts { left, breaks_off: false, .. } if left.len() < 2 => {
                SizeHint::with_exact(left.iter().map(|part| part.len() as u64).sum())
            }
            _ => SizeHint::default(),
        }
    }
}
