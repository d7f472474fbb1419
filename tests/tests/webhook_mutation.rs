//! The mutating webhook: over everything that people publish, and behind a real API server.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "webhook_mutation/behind.rs"]
mod behind;
#[path = "webhook_policies/corpus.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod corpus;
#[path = "webhook_admission/judged.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod judged;
#[path = "webhook_admission/manifests.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod manifests;
#[path = "webhook_mutation/published.rs"]
mod published;
#[path = "webhook_mutation/repair.rs"]
mod repair;
