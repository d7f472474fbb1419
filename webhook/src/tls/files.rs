//! Certificates in files, as cert-manager or a mounted Secret provides them.
//!
//! The kubelet writes a new folder and swaps a symlink, so a watch on the file itself sees the first change at best
//! (policy-server#1026). The contents are read every few seconds instead and compared by hash. A swap between reading the
//! certificate and reading the key gives a pair that does not match: it is read again at once.

use super::{Callers, Pair, PairError, Serving};
use crate::metrics::Metrics;
use jiff::Timestamp;
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// How often a pair that does not match is read again before it counts as broken.
const ATTEMPTS: u32 = 3;
/// The pause between these.
const PAUSE: Duration = Duration::from_millis(20);

/// What a look at the files found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// Nothing new.
    Same,
    /// A new pair is in use, until then.
    Loaded(Timestamp),
    /// What is there cannot be used; the last good pair stays.
    Kept(FileError),
}

/// Why files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// In the words of the system.
        reason: String,
    },
    /// The files can be read, but not used.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The certificate has ended, and the one in use has not.
    #[error("the certificate ended on {0}, and the one in use is still valid")]
    Ended(Timestamp),
    /// The authority of callers.
    #[error("{0}")]
    Callers(String),
}

/// Keeps a [`Serving`] in step with files.
pub struct FileMode {
    certificate: PathBuf,
    key: PathBuf,
    serving: Arc<Serving>,
    callers: Option<(PathBuf, Arc<Callers>)>,
    metrics: Arc<Metrics>,
    seen: Option<u64>,
    seen_authority: Option<u64>,
    failed: Option<FileError>,
}

impl FileMode {
    /// Follows the two files, and the authority of callers when there is one.
    pub fn new(
        (certificate, key): (PathBuf, PathBuf),
        serving: Arc<Serving>,
        callers: Option<(PathBuf, Arc<Callers>)>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            certificate,
            key,
            serving,
            callers,
            metrics,
            seen: None,
            seen_authority: None,
            failed: None,
        }
    }

    /// Looks at the files, and logs what is new. Blocks while reading.
    pub fn poll(&mut self, now: Timestamp) -> Polled {
        let polled = match self.look(now).and_then(|found| {
            self.look_at_authority()?;
            Ok(found)
        }) {
            Ok(None) => Polled::Same,
            Ok(Some(until)) => {
                tracing::info!(%until, "serving certificate loaded");
                Polled::Loaded(until)
            }
            Err(error) => Polled::Kept(error),
        };
        self.report(&polled);
        polled
    }

    /// Every failed look counts, but only a new reason is worth a line.
    fn report(&mut self, polled: &Polled) {
        match polled {
            Polled::Same | Polled::Loaded(_) => self.failed = None,
            Polled::Kept(error) => {
                self.metrics.reload_failed();
                if self.failed.as_ref() != Some(error) {
                    tracing::error!(%error, "the certificate files cannot be used, the last good ones stay");
                    self.failed = Some(error.clone());
                }
            }
        }
    }

    fn look(&mut self, now: Timestamp) -> Result<Option<Timestamp>, FileError> {
        let mut attempt = 1;
        loop {
            let chain = read(&self.certificate)?;
            let key = read(&self.key)?;
            let hash = hash(&[&chain, &key]);
            if self.seen == Some(hash) {
                return Ok(None);
            }
            match Pair::from_pem(&chain, &key) {
                Ok(pair) => {
                    let until = self.take(pair, now)?;
                    self.seen = Some(hash);
                    return Ok(Some(until));
                }
                Err(_) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    /// A pair that has ended is better than none, but not better than one that has not.
    fn take(&self, pair: Pair, now: Timestamp) -> Result<Timestamp, FileError> {
        let until = pair.not_after();
        let in_use = self.serving.not_after();
        if until < now && in_use.is_some_and(|in_use| in_use > until) {
            return Err(FileError::Ended(until));
        }
        self.serving.replace(pair);
        Ok(until)
    }

    fn look_at_authority(&mut self) -> Result<(), FileError> {
        let Some((path, callers)) = &self.callers else {
            return Ok(());
        };
        let authority = read(path)?;
        let hash = hash(&[&authority]);
        if self.seen_authority != Some(hash) {
            callers
                .replace(&authority)
                .map_err(|error| FileError::Callers(error.to_string()))?;
            self.seen_authority = Some(hash);
        }
        Ok(())
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|error: io::Error| FileError::Unreadable {
        path: path.clone(),
        reason: error.to_string(),
    })
}

/// Tells contents apart; nobody who can choose them gains anything from a collision.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
