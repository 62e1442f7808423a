//! A pod: a server that follows a script.

use std::io;
use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{AbortHandle, spawn};

use super::body::ScriptedBody;
use super::record::{Reaction, Record};
use super::{Answer, Arrival, Pace, Plan};
use crate::gateway::until;
use crate::server::{ANY, serve};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

/// A pod under a test's control. Dropping it closes its port and connections.
#[derive(Debug)]
pub struct Pod {
    address: SocketAddr,
    record: Record,
    server: AbortHandle,
    /// While it refuses: keeps the port from being given to somebody else.
    reserved: Option<TcpSocket>,
}

// === impl Pod ===

impl Pod {
    /// A pod that follows `plan` for every request.
    ///
    /// # Errors
    /// Where no port can be bound.
    pub fn start(plan: Plan) -> io::Result<Self> {
        let socket = bind(ANY)?;
        let listener = socket.listen(BACKLOG)?;
        let (address, record) = (listener.local_addr()?, Record::new(plan));
        let server = listen(listener, &record);
        Ok(Self { address, record, server, reserved: None })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it follows another plan.
    pub fn plan(&self, plan: Plan) {
        self.record.plan(plan);
    }

    /// One request to come follows `plan`: the next one, or the next that has none yet.
    pub fn next(&self, plan: Plan) {
        self.record.next(plan);
    }

    /// Returns the requests that have arrived, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.record.arrivals()
    }

    /// Waits for the request of this number, from 0, to arrive.
    ///
    /// # Panics
    /// Where it does not in time.
    pub async fn arrival(&self, id: usize) -> Arrival {
        until(&format!("request {id} has arrived at {}", self.address), async || self.arrivals().len() > id).await;
        self.arrivals().swap_remove(id)
    }

    /// Answers a request that is held.
    ///
    /// # Panics
    /// Where it is not held, or its client has left.
    pub fn answer(&self, id: usize, answer: Answer) {
        assert!(self.record.react(id, Reaction::Answer(answer)), "nobody waits for the answer to request {id}");
    }

    /// Answers a request that is held, its body as the returned [`Pace`] says.
    ///
    /// # Panics
    /// Where it is not held, or its client has left.
    pub fn answer_paced(&self, id: usize, head: Answer) -> Pace {
        let (pace, pieces) = Pace::new();
        assert!(self.record.react(id, Reaction::Paced(head, pieces)), "nobody waits for the answer to request {id}");
        pace
    }

    /// Closes the connection of a request that is held.
    ///
    /// # Panics
    /// Where it is not held, or its client has left.
    pub fn close(&self, id: usize) {
        assert!(self.record.react(id, Reaction::Close), "nobody waits for the answer to request {id}");
    }

    /// The requests that are held, oldest first.
    pub fn held(&self) -> Vec<usize> {
        self.record.held()
    }

    /// Returns the number of requests that run now: from the first byte of their head to the last
    /// of the answer.
    pub fn running(&self) -> usize {
        self.record.running()
    }

    /// Returns the largest number that have run at a time.
    pub fn most_running(&self) -> usize {
        self.record.most_running()
    }

    /// Closes all connections and refuses new ones.
    ///
    /// # Panics
    /// Where its port cannot be bound again.
    pub async fn refuse(&mut self) {
        self.server.abort();
        until("the pod's port is closed", async || self.server.is_finished()).await;
        let socket = bind(self.address).unwrap_or_else(|error| panic!("{}: {error}", self.address));
        self.reserved = Some(socket);
    }

    /// Accepts connections again, where it refuses them.
    ///
    /// # Panics
    /// Where its port cannot be listened on.
    pub fn accept(&mut self) {
        if let Some(socket) = self.reserved.take() {
            let listener = socket.listen(BACKLOG).unwrap_or_else(|error| panic!("{}: {error}", self.address));
            self.server = listen(listener, &self.record);
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // To come back while old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(listener: TcpListener, record: &Record) -> AbortHandle {
    let record = record.clone();
    spawn(serve(listener, move |request| respond(request, record.clone()))).abort_handle()
}

async fn respond(request: Request<Incoming>, record: Record) -> Result<Response<ScriptedBody>, io::Error> {
    let running = record.run();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (answer, pieces) = match record.arrive(head, body).await {
        Ok(Reaction::Answer(answer)) => (answer, None),
        Ok(Reaction::Paced(answer, pieces)) => (answer, Some(pieces)),
        Ok(Reaction::Close) | Err(_) => return Err(io::Error::other("the script closes the connection")),
    };
    let Answer { status, headers, parts, breaks_off } = answer;
    let mut response = Response::new(match pieces {
        Some(pieces) => ScriptedBody::paced(pieces, running),
        None => ScriptedBody::parts(parts, breaks_off, running),
    });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
