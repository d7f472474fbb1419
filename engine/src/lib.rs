//! Engine.

pub mod manifest;
