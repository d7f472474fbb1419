//! Requests and their answers.

mod freshness;
mod hostile;
pub(crate) mod kit;
mod profiles;
mod ratchet;
mod requests;
mod running;
mod shapes;
mod two_objects;
