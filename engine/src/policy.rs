//! What network policies allow.
