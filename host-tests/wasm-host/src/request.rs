//! Requests that a test sends.

use crate::Headers;
use crate::abi::Direction;
use crate::stream::Stream;
use crate::world::World;

/// A request to be sent.
#[must_use]
pub struct RequestBuilder {
    world: World,
    worker: usize,
    headers: Headers,
    pieces: Vec<Vec<u8>>,
    open: bool,
}

// === impl RequestBuilder ===

impl RequestBuilder {
    pub(crate) fn new(world: World, worker: usize) -> Self {
        let headers =
            Headers::from([(":authority", "gateway"), (":path", "/"), (":method", "GET"), (":scheme", "http")]);
        Self { world, worker, headers, pieces: Vec::new(), open: false }
    }

    /// Sets the method and path.
    pub fn to(mut self, method: &str, path: &str) -> Self {
        self.headers.set(":method", method);
        self.headers.set(":path", path);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    /// A body in one piece, with its length. As with HTTP/1, its end comes in a frame of its own.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.chunks([body.into()])
    }

    /// A body in several pieces, with its length.
    pub fn chunks(mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.pieces = pieces.into_iter().collect();
        let length: usize = self.pieces.iter().map(Vec::len).sum();
        self.headers.set("content-length", &length.to_string());
        if self.headers.get(":method") == Some("GET") {
            self.headers.set(":method", "POST");
        }
        self
    }

    /// The body does not end yet; [`Stream::send`] brings the rest.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Sends it.
    pub fn send(self) -> Stream {
        let mut inner = self.world.inner.borrow_mut();
        let idle_timeout = inner.process.borrow().timing.idle_timeout;
        let key = inner.new_stream(self.worker, idle_timeout);
        let vm = &mut inner.vms[key.vm];
        let bare = self.pieces.is_empty() && !self.open;
        vm.on_headers(key.context, Direction::Request, self.headers, bare);
        for piece in self.pieces {
            vm.on_body(key.context, Direction::Request, piece, false);
        }
        if !bare && !self.open {
            vm.on_body(key.context, Direction::Request, Vec::new(), true);
        }
        vm.end_turn();
        drop(inner);
        Stream { world: self.world, key }
    }
}
