//! Self-managed certificates: two replicas, an API server that is a fake in memory, and callers that learn late.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "rotation/fake_api.rs"]
mod fake_api;
#[path = "rotation/faults.rs"]
mod faults;
#[path = "rotation/ownership.rs"]
mod ownership;
#[path = "rotation/simulation.rs"]
mod simulation;
#[path = "rotation/world.rs"]
mod world;
