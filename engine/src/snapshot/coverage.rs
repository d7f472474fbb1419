//! What was listed, and what absence means there.
//!
//! Only a complete list without the object, or a 404 on a readable kind, proves absence. Everything else is a gap, and
//! a gap names the verb that failed so that the reader can ask for it.

use crate::model::{Kind, Text};
use std::collections::BTreeSet;

/// What was listed of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Listed in all namespaces (or cluster-wide).
    pub everywhere: bool,
    /// Listed in these namespaces.
    pub namespaces: BTreeSet<Text>,
    /// The server does not know the kind.
    pub not_installed: bool,
    /// Why some of it could not be read.
    pub gaps: Vec<Gap>,
    /// Logs that were asked for and could not be read.
    pub log_gaps: Vec<Gap>,
    /// Number of objects that arrived.
    pub count: usize,
    /// `resourceVersion` of the list, for the bundle.
    pub resource_version: Text,
}

impl Coverage {
    /// A kind that was listed everywhere.
    pub fn complete() -> Self {
        Self {
            everywhere: true,
            ..Self::default()
        }
    }

    /// Reads of all namespaces that failed, and in whose place single ones were read.
    pub fn narrowed(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| self.is_narrowed_by(gap))
    }

    /// Whether a gap leaves what was asked for readable, and only says that more was wanted.
    pub(crate) fn is_narrowed_by(&self, gap: &Gap) -> bool {
        gap.namespace.is_none() && !self.everywhere && !self.namespaces.is_empty()
    }

    /// Whether the namespace is covered.
    ///
    /// # Errors
    /// What absence means when it is not.
    pub fn known(&self, kind: Kind, namespace: &str) -> Result<(), Absence> {
        if self.not_installed {
            return Err(Absence::NotInstalled);
        }
        if self.everywhere
            || (kind.namespaced() && !namespace.is_empty() && self.namespaces.contains(namespace))
        {
            return Ok(());
        }
        let about = |gap: &&Gap| {
            gap.namespace
                .as_deref()
                .is_none_or(|scope| scope == namespace)
        };
        let gap = self.gaps.iter().find(about).or(self.gaps.first());
        Err(Absence::Unknown(
            gap.map_or_else(|| Gap::not_read(kind).reason(), Gap::reason),
        ))
    }
}

/// What it means that an object is not in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// It does not exist.
    Proven,
    /// Files only: no object of its kind was handed in, it may live elsewhere.
    NotInInput,
    /// It could not be looked up.
    Unknown(String),
    /// The server does not know its kind.
    NotInstalled,
}

/// A read that failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// RBAC verb of the read: `list`, `get`.
    pub verb: Text,
    /// RBAC resource: `endpointslices.discovery.k8s.io`, `pods/log`.
    pub resource: Text,
    /// Namespace of the read; `None` for all.
    pub namespace: Option<Text>,
    /// What happened.
    pub cause: GapCause,
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapCause {
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
    /// No answer in time.
    Timeout,
    /// 410: the list expired while it was read, more than once.
    Expired,
    /// 429, also after waiting.
    TooManyRequests,
    /// 5xx.
    Server(u16),
    /// The answer ended in the middle.
    Cut,
    /// The answer was no Kubernetes JSON (a proxy's HTML page, say).
    NotKubernetes,
    /// The connection failed.
    Connection,
    /// Nobody asked for it in this run.
    NotRead,
    /// A raw list that holds no object of the kind: it does not say what was asked for (catalogue §1.1).
    RawList,
}

impl Gap {
    /// A kind that nobody listed.
    pub fn not_read(kind: Kind) -> Self {
        Self {
            verb: "list".into(),
            resource: kind.resource().into(),
            namespace: None,
            cause: GapCause::NotRead,
        }
    }

    /// One sentence: what failed, and what to ask for.
    pub fn reason(&self) -> String {
        let place = match &self.namespace {
            Some(namespace) => format!(" in namespace {namespace}"),
            None => String::new(),
        };
        let flag = match &self.namespace {
            Some(namespace) => format!(" -n {namespace}"),
            None => " -A".to_owned(),
        };
        let (verb, resource) = (&self.verb, &self.resource);
        let what = match &self.cause {
            GapCause::Forbidden => {
                return format!(
                    "cannot {verb} {resource}{place}: forbidden (try: kubectl auth can-i {verb} {resource}{flag})"
                );
            }
            GapCause::NotRead => return format!("{resource} were not read"),
            GapCause::RawList => {
                return format!(
                    "the input holds no {resource}, and does not say whether they were asked for"
                );
            }
            GapCause::Unauthorized => "unauthorized (401)".to_owned(),
            GapCause::Timeout => "no answer in time".to_owned(),
            GapCause::Expired => "the list expired while it was read (410)".to_owned(),
            GapCause::TooManyRequests => "the API server is busy (429)".to_owned(),
            GapCause::Server(code) => format!("the API server failed ({code})"),
            GapCause::Cut => "the answer was cut off".to_owned(),
            GapCause::NotKubernetes => {
                "the answer did not come from a Kubernetes API server".to_owned()
            }
            GapCause::Connection => "the connection failed".to_owned(),
        };
        format!("cannot {verb} {resource}{place}: {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_403_is_never_proof_and_names_the_verb() {
        let gap = Gap {
            verb: "list".into(),
            resource: "pods".into(),
            namespace: Some("shop".into()),
            cause: GapCause::Forbidden,
        };
        let coverage = Coverage {
            gaps: vec![gap],
            ..Coverage::default()
        };
        let Err(Absence::Unknown(reason)) = coverage.known(Kind::Pod, "shop") else {
            panic!("a forbidden list must not prove anything");
        };
        assert!(
            reason.contains("kubectl auth can-i list pods -n shop"),
            "{reason}"
        );
    }

    #[test]
    fn one_namespace_says_nothing_about_another() {
        let coverage = Coverage {
            namespaces: BTreeSet::from(["shop".into()]),
            ..Coverage::default()
        };
        assert!(coverage.known(Kind::Pod, "shop").is_ok());
        assert!(coverage.known(Kind::Pod, "kube-system").is_err());
        assert!(coverage.known(Kind::Node, "").is_err());
    }
}
