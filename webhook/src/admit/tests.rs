//! Requests and their answers.

mod freshness;
mod hostile;
pub(crate) mod kit;
mod profiles;
mod requests;
mod shapes;
mod two_objects;
