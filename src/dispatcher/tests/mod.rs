//! One VM alone, several over one memory, and several in a world of faults.

mod alone;
mod company;
mod contention;
mod random;
mod replicas;
mod served;
mod several;
mod world;
