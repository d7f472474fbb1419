//! Certificates in files, as cert-manager or a mounted Secret provides them.
//!
//! The kubelet writes a new folder and swaps a symlink, so a watch on the file itself sees the first change at best
//! (policy-server#1026). The contents are read every few seconds instead and compared by hash. A swap between reading the
//! certificate and reading the key gives a pair that does not match: it is read again at once.

use super::{Callers, CallersError, Pair, PairError, Serving};
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
    /// Something new is in use, until then.
    Loaded(Timestamp),
    /// What is there cannot be used; what was good before stays.
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
    #[error(transparent)]
    Callers(#[from] CallersError),
}

/// Keeps a [`Serving`] in step with a certificate and a key in files.
pub struct PairFiles {
    certificate: PathBuf,
    key: PathBuf,
    serving: Arc<Serving>,
    seen: Option<u64>,
    trouble: Trouble,
}

impl PairFiles {
    /// Follows the two files.
    pub fn new(
        (certificate, key): (PathBuf, PathBuf),
        serving: Arc<Serving>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            certificate,
            key,
            serving,
            seen: None,
            trouble: Trouble::new(metrics),
        }
    }

    /// Looks at the files, and logs what is new. Blocks while reading.
    pub fn poll(&mut self, now: Timestamp) -> Polled {
        let found = self.look(now);
        if let Ok(Some(until)) = found {
            tracing::info!(%until, "serving certificate loaded");
        }
        self.trouble.note(found)
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
}

/// Keeps [`Callers`] in step with the file of their authority.
pub struct AuthorityFile {
    path: PathBuf,
    callers: Arc<Callers>,
    seen: Option<u64>,
    trouble: Trouble,
}

impl AuthorityFile {
    /// Follows the file.
    pub fn new(path: PathBuf, callers: Arc<Callers>, metrics: Arc<Metrics>) -> Self {
        Self {
            path,
            callers,
            seen: None,
            trouble: Trouble::new(metrics),
        }
    }

    /// Looks at the file, and logs what is new. Blocks while reading.
    pub fn poll(&mut self) -> Polled {
        let found = self.look();
        self.trouble.note(found)
    }

    fn look(&mut self) -> Result<Option<Timestamp>, FileError> {
        let authority = read(&self.path)?;
        let hash = hash(&[&authority]);
        if self.seen == Some(hash) {
            return Ok(None);
        }
        let until = self.callers.replace(&authority)?;
        self.seen = Some(hash);
        tracing::info!(%until, "authority of callers loaded");
        Ok(Some(until))
    }
}

/// Counts failed looks. Only a new reason is worth a line.
struct Trouble {
    metrics: Arc<Metrics>,
    said: Option<FileError>,
}

impl Trouble {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            said: None,
        }
    }

    fn note(&mut self, found: Result<Option<Timestamp>, FileError>) -> Polled {
        let error = match found {
            Ok(until) => {
                self.said = None;
                return until.map_or(Polled::Same, Polled::Loaded);
            }
            Err(error) => error,
        };
        self.metrics.reload_failed();
        if self.said.as_ref() != Some(&error) {
            tracing::error!(%error, "files cannot be used, the last good ones stay");
            self.said = Some(error.clone());
        }
        Polled::Kept(error)
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
