//! Waiting for the API server, but not for ever: a connection that died without a word would otherwise hold up whoever
//! asks, and with it the renewal of certificates.

use std::{future::Future, time::Duration};
use tokio::time::timeout;

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// No answer came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer within 10 s")]
pub struct Silence;

/// The answer, if it comes in time.
pub(crate) async fn answer<T>(asked: impl Future<Output = T>) -> Result<T, Silence> {
    timeout(PATIENCE, asked).await.map_err(|_| Silence)
}
