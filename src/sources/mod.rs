//! Where profiles and pods come from: the request to send, and what its answer says. Pure: who sends it, and when, is
//! decided elsewhere.

pub mod http;
pub mod pods;
pub mod profiles;
