//! The webhook as users of `kubectl` meet it: behind a real API server, with the rights and the configurations of the
//! manifests.

#[path = "webhook_admission/asked.rs"]
mod asked;
#[path = "webhook_admission/auditing.rs"]
mod auditing;
#[path = "webhook_admission/configuration.rs"]
mod configuration;
#[path = "webhook_admission/fail_open.rs"]
mod fail_open;
#[path = "webhook_admission/judged.rs"]
mod judged;
#[path = "webhook_admission/life.rs"]
mod life;
#[path = "webhook_admission/limits.rs"]
mod limits;
#[path = "webhook_admission/manifests.rs"]
mod manifests;
#[path = "webhook_admission/operations.rs"]
mod operations;
#[path = "webhook_admission/own.rs"]
mod own;
#[path = "webhook_admission/profiles.rs"]
mod profiles;
#[path = "webhook_admission/recorded.rs"]
mod recorded;
#[path = "webhook_admission/rules.rs"]
mod rules;
#[path = "webhook_admission/sets.rs"]
mod sets;
#[path = "webhook_admission/stage.rs"]
mod stage;
#[path = "webhook_admission/unseen.rs"]
mod unseen;
