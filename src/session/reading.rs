//! Reads the bodies of requests while they come, a bounded part in each callback.
//!
//! Envoy hands a body over in pieces of any size: what another filter has buffered comes at once.
//! Reading a mebibyte takes milliseconds, in which the worker serves nobody else. So a callback
//! reads what takes it about half of one, and what is left follows in callbacks of its own, each
//! asked for by a message to this VM itself.

use super::body::{Body, ReadProgress};
use super::host::Host;
use super::intent::Wish;
use super::record::Stage;
use super::router::{Next, Router};
use crate::scheduling::request::RequestId;
use crate::scheduling::time::Instant;

impl<H: Host> Router<H> {
    /// More of a body has come.
    pub(super) fn read_arrived(&mut self, id: RequestId) -> Next {
        let unread = self.streams.unread_count();
        let next = self.read_on(id);
        if self.streams.unread_count() > unread {
            self.dispatcher.ask_for_a_turn(self.host.now());
            self.adjust_tick();
        }
        next
    }

    /// Reads what has come of a body, or a part of it, and lets its request go on once that was
    /// enough. Its stream is the effective context.
    fn read_on(&mut self, id: RequestId) -> Next {
        let Some(record) = self.streams.get_mut(id) else { return Next::Go };
        let Some(body) = record.stage.body() else { return Next::Wait };
        match body.read_on(&self.host, self.tokenizer.counter()) {
            ReadProgress::UpToDate => return Next::Wait,
            ReadProgress::Unread => {
                self.streams.note_unread(id);
                return Next::Wait;
            }
            ReadProgress::Done => {}
        }
        record.is_read = body.is_whole;
        match self.streams.end_reading(id) {
            Some(Stage::Reading { wish, body }) => self.schedule_read(id, wish, body, self.host.now()),
            Some(Stage::Naming { body, subset }) => {
                self.streams.remove(id);
                self.pass_now(id, body.name(), subset, self.host.now())
            }
            _ => Next::Wait,
        }
    }

    /// Schedules a request whose body was read.
    pub(super) fn schedule_read(&mut self, id: RequestId, wish: Wish, body: Body, now: Instant) -> Next {
        match body.said(self.tokenizer.counter()) {
            Ok(said) => self.schedule(id, wish, Some(said), now),
            Err(refusal) => self.refuse_record(id, &refusal),
        }
    }

    /// Reads on in the body that has waited longest for it, in a turn that was asked for; asks for
    /// the next.
    pub(super) fn read_in_turn(&mut self) {
        self.read_unread();
        if self.streams.any_unread() {
            self.dispatcher.ask_for_a_turn(self.host.now());
        }
    }

    /// Reads on in the body that has waited longest for it.
    pub(super) fn read_unread(&mut self) {
        while let Some(id) = self.streams.next_unread() {
            if self.host.set_effective_context(id.0).is_ok() {
                if self.read_on(id) == Next::Go {
                    let _ = self.host.resume_request();
                }
                return;
            }
        }
    }

    /// Requests whose bodies Envoy does not let the filter read go on by their headers.
    pub(super) fn release_unread(&mut self, now: Instant) {
        for id in self.streams.without_bodies(now) {
            if self.host.set_effective_context(id.0).is_err() {
                continue;
            }
            let next = match self.streams.end_reading(id) {
                Some(Stage::Reading { wish, .. }) => self.schedule(id, wish, None, now),
                Some(Stage::Naming { subset, .. }) => {
                    self.streams.remove(id);
                    self.pass_now(id, None, subset, now)
                }
                _ => continue,
            };
            if next == Next::Go {
                let _ = self.host.resume_request();
            }
        }
    }
}
