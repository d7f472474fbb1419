//! The Secret that holds the authority: one, by a fixed name, shared by all replicas.
//!
//! | key or annotation | holds |
//! |---|---|
//! | `ca.crt`, `ca.key` | the authority that signs leaves |
//! | `next.crt`, `next.key` | the one that will, while callers learn to trust it |
//! | `previous.crt` | those that did, until they end; their keys are gone |
//! | `netdoctor.io/rotate-ca` | any new value asks for a rotation |
//! | `netdoctor.io/rotate-ca-done` | the value that was last acted upon |
//! | `netdoctor.io/next-published` | since when every configuration has trusted the next authority |

use super::{
    authority::{Authority, AuthorityError, Trusted},
    rotation::Step,
};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use netdoctor_manifests::names;
use std::collections::BTreeMap;

/// Annotation that says since when every configuration has trusted the next authority.
pub const NEXT_PUBLISHED: &str = "netdoctor.io/next-published";

/// Certificate and key of the authority in use.
pub const CURRENT: [&str; 2] = [names::CA_CERTIFICATE_KEY, "ca.key"];
/// Certificate and key of the authority to come.
pub const NEXT: [&str; 2] = [names::NEXT_CERTIFICATE_KEY, "next.key"];
/// Certificates of the authorities before.
pub const PREVIOUS: &str = "previous.crt";

/// So many rotations may follow each other before a replica that missed all of them is no longer trusted.
const MOST_PREVIOUS: usize = 4;

/// What the Secret holds, as far as it can be used.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The authority that signs, or why there is none.
    pub current: Option<Authority>,
    /// Why there is no current authority, when the Secret holds something.
    pub trouble: Option<AuthorityError>,
    /// The authority to come.
    pub next: Option<Authority>,
    /// Authorities whose leaves may still be out there, newest first.
    pub previous: Vec<Trusted>,
    /// The rotation that somebody asked for.
    pub requested: Option<String>,
    /// The request that was last acted upon.
    pub honoured: Option<String>,
    /// Since when every configuration has trusted the next authority.
    pub published: Option<Timestamp>,
}

impl Contents {
    /// Reads the Secret. What cannot be used is treated as absent: it is replaced, not suffered.
    pub fn of(secret: &Secret) -> Self {
        let bytes = |key: &str| {
            let data = secret.data.as_ref()?;
            data.get(key).map(|bytes| bytes.0.as_slice())
        };
        let authority = |[certificate, key]: [&str; 2]| {
            bytes(certificate)
                .map(|certificate| Authority::from_pem(certificate, bytes(key).unwrap_or_default()))
        };
        let annotation = |key: &str| {
            let annotations = secret.metadata.annotations.as_ref()?;
            annotations
                .get(key)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        let mut previous = Trusted::all_from_pem(bytes(PREVIOUS).unwrap_or_default());
        let (current, trouble) = match authority(CURRENT) {
            None => (None, None),
            Some(Ok(current)) => (Some(current), None),
            Some(Err(error)) => {
                // Its leaves are still out there, even when it cannot sign any more of them.
                let certificate = bytes(CURRENT[0]).and_then(|pem| Trusted::from_pem(pem).ok());
                previous.splice(0..0, certificate);
                (None, Some(error))
            }
        };
        Self {
            current,
            trouble,
            next: authority(NEXT).and_then(Result::ok),
            previous,
            requested: annotation(names::ROTATE_ANNOTATION),
            honoured: annotation(names::ROTATE_DONE_ANNOTATION),
            published: annotation(NEXT_PUBLISHED).and_then(|value| value.parse().ok()),
        }
    }

    /// Whether somebody asked for a rotation that has not begun.
    pub fn rotation_requested(&self) -> bool {
        self.requested.is_some() && self.requested != self.honoured
    }

    /// Keeps an authority trusted that the Secret does not know. Says whether that changed anything.
    pub(super) fn keep(&mut self, trusted: Option<&Trusted>) -> bool {
        let Some(trusted) = trusted else {
            return false;
        };
        let signing = [&self.current, &self.next].into_iter().flatten();
        let known = signing
            .map(Authority::certificate)
            .chain(&self.previous)
            .any(|known| known == trusted);
        if known {
            return false;
        }
        self.previous.insert(0, trusted.clone());
        self.previous.truncate(MOST_PREVIOUS);
        true
    }

    /// What callers are to trust: newest first, each certificate once.
    pub fn bundle(&self) -> String {
        let ahead = [&self.next, &self.current].into_iter().flatten();
        let mut certificates: Vec<&str> = Vec::new();
        for certificate in ahead.map(Authority::certificate).chain(&self.previous) {
            if !certificates.contains(&certificate.pem()) {
                certificates.push(certificate.pem());
            }
        }
        certificates.concat()
    }

    /// The contents after a step. `made` is the authority that the step needs, if it needs one.
    pub(super) fn after(mut self, step: Step, made: Option<Authority>, now: Timestamp) -> Self {
        match step {
            Step::Replace => {
                self.retire(made);
                self.next = None;
                self.published = None;
                self.honoured.clone_from(&self.requested);
            }
            Step::Begin(_) => {
                self.next = made;
                self.published = None;
                self.honoured.clone_from(&self.requested);
            }
            Step::Confirm => self.published = Some(now),
            Step::Promote => {
                let next = self.next.take();
                self.retire(next);
                self.published = None;
            }
            Step::Forget => self.previous.retain(|old| old.facts().not_after >= now),
            Step::Publish | Step::Wait(_) => {}
        }
        self
    }

    fn retire(&mut self, successor: Option<Authority>) {
        let retired = std::mem::replace(&mut self.current, successor);
        let retired = retired.map(|authority| authority.certificate().clone());
        self.previous.splice(0..0, retired);
        self.previous.truncate(MOST_PREVIOUS);
        self.trouble = None;
    }

    /// Writes the contents into a Secret, and leaves everything else in it as it is.
    pub(super) fn write(&self, secret: &mut Secret) {
        let data = secret.data.get_or_insert_default();
        let mut put = |key: &str, value: Option<&str>| match value {
            Some(value) => _ = data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec())),
            None => _ = data.remove(key),
        };
        for ([certificate, key], authority) in [(CURRENT, &self.current), (NEXT, &self.next)] {
            put(
                certificate,
                authority.as_ref().map(|a| a.certificate().pem()),
            );
            put(key, authority.as_ref().map(Authority::key_pem));
        }
        let previous: String = self.previous.iter().map(Trusted::pem).collect();
        put(PREVIOUS, Some(&*previous).filter(|pem| !pem.is_empty()));

        let published = self.published.map(|at| at.to_string());
        let annotations = secret.metadata.annotations.get_or_insert_default();
        for (key, value) in [
            (names::ROTATE_DONE_ANNOTATION, &self.honoured),
            (NEXT_PUBLISHED, &published),
        ] {
            match value {
                Some(value) => _ = annotations.insert(key.to_owned(), value.clone()),
                None => _ = annotations.remove(key),
            }
        }
    }
}

/// A Secret that nobody has written yet.
pub(super) fn blank(namespace: &str, name: &str) -> Secret {
    let labels = [
        ("app.kubernetes.io/component", "webhook"),
        ("app.kubernetes.io/instance", "netdoctor"),
        ("app.kubernetes.io/managed-by", "netdoctor-webhook"),
        ("app.kubernetes.io/name", "netdoctor"),
    ];
    let labels: BTreeMap<String, String> = labels
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}
