//! The simulation as a library and as a command.

mod command;
mod common;
mod gauntlet;
mod runs;
mod scenarios;
