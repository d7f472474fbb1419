//! The certificate that answers.

use super::Pair;
use crate::metrics::{Certificate, Metrics};
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{fmt, sync::Arc};

/// Holds the certificate for new connections, whatever name they ask for.
pub struct Serving {
    pair: ArcSwapOption<Pair>,
    metrics: Arc<Metrics>,
}

impl Serving {
    /// Empty: every handshake fails until there is a certificate.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            pair: ArcSwapOption::empty(),
            metrics,
        }
    }

    /// Answers with this pair from now on.
    pub fn replace(&self, pair: Pair) {
        self.metrics
            .certificate_expires(Certificate::Leaf, pair.not_after());
        self.pair.store(Some(Arc::new(pair)));
    }

    /// Whether there is anything to answer with.
    pub fn is_ready(&self) -> bool {
        self.pair.load().is_some()
    }

    /// When the certificate ends, if there is one.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.pair.load().as_ref().map(|pair| pair.not_after())
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair.load().as_ref().map(|pair| pair.key().clone())
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("not_after", &self.not_after())
            .finish_non_exhaustive()
    }
}
