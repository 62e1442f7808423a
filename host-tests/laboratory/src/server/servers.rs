//! Servers on a runtime of their own.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Running servers; dropping them closes all their listeners and connections.
#[derive(Debug)]
pub struct Servers {
    addresses: Vec<SocketAddr>,
    /// One of their own, so that they live beside any caller, asynchronous or not. `Some` until dropped.
    runtime: Option<Runtime>,
}

// === impl Servers ===

impl Servers {
    /// Listens on each address for the server that `serve` makes of the listener.
    pub(crate) fn listen<T, S>(
        servers: impl IntoIterator<Item = (SocketAddr, T)>,
        serve: impl Fn(TcpListener, T) -> S,
    ) -> io::Result<Self>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        // A token costs microseconds: one thread carries a pool of pods and leaves the other cores to the proxy.
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("pods").enable_all().build()?;
        let mut addresses = Vec::new();
        for (address, server) in servers {
            let listener = StdListener::bind(address)?;
            listener.set_nonblocking(true)?;
            addresses.push(listener.local_addr()?);
            let _entered = runtime.enter();
            runtime.spawn(serve(TcpListener::from_std(listener)?, server));
        }
        Ok(Self { addresses, runtime: Some(runtime) })
    }

    /// Addresses that they listen on, in the order of their options.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Waiting for the tasks is not allowed where the caller is asynchronous; nothing of theirs outlives the process.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
