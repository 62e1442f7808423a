//! One VM alone, several over one memory, and several in a world of faults.

mod alone;
mod contention;
mod load_exchange;
mod random;
mod replicas;
mod reroute;
mod several;
mod world;
