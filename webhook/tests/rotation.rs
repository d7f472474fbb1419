//! Self-managed certificates: two replicas, an API server that is a fake in memory, and callers that learn late.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "rotation/fake_api.rs"]
mod fake_api;
#[path = "rotation/faults.rs"]
mod faults;
#[path = "rotation/lost.rs"]
mod lost;
#[path = "rotation/ownership.rs"]
mod ownership;
#[path = "metrics/parser.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod parser;
#[path = "rotation/simulation.rs"]
mod simulation;
#[path = "rotation/world.rs"]
mod world;
