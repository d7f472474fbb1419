//! What a reader asked about: a namespace, labels, single objects. It selects *subjects*; what explains them stays in
//! the report wherever it is.

use crate::{
    finding::Finding,
    model::{Labels, ObjectRef},
    report::Report,
    rule::Reach,
    selector::LabelSelector,
    snapshot::Snapshot,
};
use std::collections::{BTreeMap, BTreeSet};

/// A selection of subjects. The default selects everything.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only this namespace (and what concerns the whole cluster).
    pub namespace: Option<String>,
    /// Only objects with these labels.
    pub selector: Option<LabelSelector>,
    /// Only these objects: kind, and name unless all of the kind are meant.
    pub targets: Vec<(String, Option<String>)>,
}

impl Scope {
    fn is_everything(&self) -> bool {
        self.namespace.is_none() && self.selector.is_none() && self.targets.is_empty()
    }

    /// Takes out of a report what was not asked about, and links to it.
    pub fn narrow(&self, report: &mut Report, snapshot: &Snapshot) {
        if self.is_everything() {
            return;
        }
        let labels = self.selector.as_ref().map(|_| labels(snapshot));
        keep(report, |finding| self.holds(finding, labels.as_ref()));
        report
            .suppressed
            .retain(|suppressed| self.holds(&suppressed.finding, labels.as_ref()));
        report.not_checked.retain(|entry| {
            entry
                .subject
                .as_ref()
                .is_none_or(|subject| self.selects(subject, None))
        });
    }

    fn holds(&self, finding: &Finding, labels: Option<&BTreeMap<ObjectRef, Labels>>) -> bool {
        let narrow = self.selector.is_some() || !self.targets.is_empty();
        let cluster_wide =
            finding.rule.reach == Reach::Cluster || finding.subject.namespace.is_empty();
        cluster_wide && !narrow || self.selects(&finding.subject, labels) || self.touches(finding)
    }

    /// A finding is about a target also when one of its places lies in it.
    fn touches(&self, finding: &Finding) -> bool {
        !self.targets.is_empty()
            && finding
                .labels
                .iter()
                .any(|label| self.in_namespace(&label.object) && self.names(&label.object))
    }

    fn in_namespace(&self, object: &ObjectRef) -> bool {
        object.namespace.is_empty()
            || self
                .namespace
                .as_deref()
                .is_none_or(|namespace| *namespace == *object.namespace)
    }

    fn names(&self, object: &ObjectRef) -> bool {
        self.targets.is_empty()
            || self.targets.iter().any(|(kind, name)| {
                *kind == *object.kind && name.as_deref().is_none_or(|name| *name == *object.name)
            })
    }

    fn selects(&self, subject: &ObjectRef, labels: Option<&BTreeMap<ObjectRef, Labels>>) -> bool {
        let labelled = match (&self.selector, labels) {
            (Some(selector), Some(labels)) => labels
                .get(subject)
                .is_some_and(|labels| selector.matches(labels) == Some(true)),
            _ => true,
        };
        self.in_namespace(subject) && self.names(subject) && labelled
    }
}

/// Takes out of a report the findings that are not wanted and that explain none which are.
pub fn keep(report: &mut Report, wanted: impl Fn(&Finding) -> bool) {
    let mut keep: BTreeSet<String> = BTreeSet::new();
    for finding in &report.findings {
        if wanted(finding) {
            keep_with_causes(finding, report, &mut keep);
        }
    }
    let findings = &mut report.findings;
    findings.retain(|finding| keep.contains(&finding.fingerprint));
    for finding in findings {
        finding
            .explains
            .retain(|fingerprint| keep.contains(fingerprint));
    }
}

fn labels(snapshot: &Snapshot) -> BTreeMap<ObjectRef, Labels> {
    let mut labels = BTreeMap::new();
    snapshot.each_meta(&mut |reference, meta| {
        if !meta.labels.is_empty() {
            labels.insert(reference(), meta.labels.clone());
        }
    });
    labels
}

fn keep_with_causes(finding: &Finding, report: &Report, keep: &mut BTreeSet<String>) {
    let mut at = Some(finding);
    while let Some(finding) = at {
        if !keep.insert(finding.fingerprint.clone()) {
            return;
        }
        at = finding
            .explained_by
            .as_deref()
            .and_then(|fingerprint| report.by_fingerprint(fingerprint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        rule::Surface,
        rules::RULES,
        run::run,
        snapshot::Source,
        testkit::{clock, read},
    };

    const TWO: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {team: a}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: nope}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other, labels: {team: b}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: nope}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: other, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
";

    fn subjects(scope: &Scope) -> Vec<String> {
        let (snapshot, _) = read(TWO, Source::Files, |_| {});
        let mut report = run(
            &RULES,
            &snapshot,
            &Config::default(),
            clock(),
            Surface::Lint,
        );
        scope.narrow(&mut report, &snapshot);
        report
            .findings
            .iter()
            .filter(|f| f.rule.code == "SVC004")
            .map(|f| f.subject.to_string())
            .collect()
    }

    #[test]
    fn namespace_labels_and_targets_select_subjects() {
        assert_eq!(subjects(&Scope::default()).len(), 2);
        let shop = Scope {
            namespace: Some("shop".into()),
            ..Scope::default()
        };
        assert_eq!(subjects(&shop), ["Service shop/web"]);
        let selector = serde_json::from_str(r#"{"matchLabels": {"team": "b"}}"#).unwrap();
        assert_eq!(
            subjects(&Scope {
                selector: Some(selector),
                ..Scope::default()
            }),
            ["Service other/web"]
        );
        let target = Scope {
            targets: vec![("Service".into(), Some("web".into()))],
            ..shop.clone()
        };
        assert_eq!(subjects(&target), ["Service shop/web"]);
        let other = Scope {
            targets: vec![("Service".into(), Some("api".into()))],
            ..Scope::default()
        };
        assert!(subjects(&other).is_empty());
    }
}
