//! The server behind real sockets and real TLS: what clients do to it, and what it does for the API server meanwhile.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "server/certificates.rs"]
mod certificates;
#[path = "server/drain.rs"]
mod drain;
#[path = "server/hostile.rs"]
mod hostile;
#[path = "server/reviews.rs"]
mod reviews;
#[path = "server/support.rs"]
mod support;
