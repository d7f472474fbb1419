//! One pass: all rules of the webhook over everything that is cached.

use super::{event::Remark, ledger::Found};
use crate::{
    cache::View,
    policy::{ADMISSION_LABEL, Policy},
};
use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::{
    finding::Finding,
    model::{Kind, Namespace},
    rule::{Action, Evidence, Rule, Surface},
    rules::RULES,
    run::run,
    snapshot::Absence,
};
use netdoctor_manifests::names::SYSTEM_NAMESPACES;
use std::collections::{BTreeMap, BTreeSet};

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// What is worth an Event, and how to say it. Both have the same order.
    pub(super) found: Vec<Found>,
    pub(super) remarks: Vec<Remark>,
    /// How many findings there are by rule and action, those that are only recorded included.
    pub(super) counts: BTreeMap<(&'static str, Action), usize>,
    /// Rules that were not asked: what they would look at cannot be seen now. What they found before stands.
    pub(super) unasked: BTreeSet<&'static str>,
}

/// Judges a view, or not, when that would be of no use. `own` is the namespace that the auditor runs in.
pub(super) fn judge(view: &View, policy: &Policy, own: &str, now: Timestamp) -> Option<Pass> {
    // Namespaces say who is left alone.
    if view.synced.trouble(Kind::Namespace).is_some() {
        return None;
    }
    let at_admission = RULES.iter().copied().filter(|rule| rule.admit.is_some());
    let (rules, unasked): (Vec<&'static Rule>, Vec<&'static Rule>) =
        at_admission.partition(|rule| seen(rule, view));
    let report = run(&rules, &view.snapshot, &policy.config, now, Surface::Admit);
    let mut pass = Pass {
        unasked: unasked.iter().map(|rule| rule.code).collect(),
        ..Pass::default()
    };
    for finding in &report.findings {
        let namespace = view
            .snapshot
            .objects
            .namespaces
            .named("", &finding.subject.namespace)
            .first();
        if left_alone(&finding.subject.namespace, namespace, own) {
            continue;
        }
        let Some(action) = policy.action(finding, policy.profile_of(namespace)) else {
            continue;
        };
        *pass.counts.entry((finding.rule.code, action)).or_default() += 1;
        if action == Action::Audit || !finding.is_headline() {
            continue;
        }
        let meta = view.snapshot.meta(&finding.subject);
        let remark = Remark::of(finding, meta.map_or("", |meta| &meta.uid));
        pass.found.push(found(finding, &remark, action, policy));
        pass.remarks.push(remark);
    }
    Some(pass)
}

/// Whether everything that a rule looks at is up to date, or is known not to be there; and what it cannot do without may
/// be read. What else may not be read, it copes with.
fn seen(rule: &Rule, view: &View) -> bool {
    let mut looked_at = rule.kinds().into_iter();
    let mut subjects = rule.on.iter().flat_map(|check| check.kinds());
    looked_at.all(|kind| view.synced.trouble(kind).is_none())
        && !rule.needs.iter().any(|kind| forbidden(*kind, view))
        && !subjects.all(|kind| forbidden(*kind, view))
}

/// Whether a watched kind may not be read.
fn forbidden(kind: Kind, view: &View) -> bool {
    let coverage = view.snapshot.coverage.get(&kind);
    coverage.is_some_and(|coverage| matches!(coverage.known(kind, ""), Err(Absence::Unknown(_))))
}

/// Namespaces that the webhook is never asked about, or that somebody keeps it out of.
fn left_alone(name: &str, namespace: Option<&Namespace>, own: &str) -> bool {
    let label = namespace.and_then(|namespace| namespace.meta.labels.get(ADMISSION_LABEL));
    name == own || SYSTEM_NAMESPACES.contains(&name) || label == Some("disabled")
}

fn found(finding: &Finding, remark: &Remark, action: Action, policy: &Policy) -> Found {
    // What the object alone decides does not go away because something else arrives.
    let grace = match finding.rule.evidence {
        Evidence::Own => SignedDuration::ZERO,
        Evidence::Miss | Evidence::Contra | Evidence::Fact | Evidence::Status => policy.grace,
    };
    Found {
        fingerprint: finding.fingerprint.clone(),
        code: finding.rule.code,
        namespace: remark.namespace().to_owned(),
        wording: remark.wording,
        grace,
        weight: finding.severity as u8 * 4 + action as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::{Freshness, Synced};
    use netdoctor_engine::{
        model::decode,
        snapshot::{Builder, Coverage, Gap, GapCause, Source},
        testkit::{clock, read},
    };

    const SHOP: &[(Kind, &str)] = &[
        (
            Kind::Pod,
            r#"{"metadata": {"name": "web", "namespace": "shop", "uid": "p", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"name": "http", "containerPort": 8080}]}]}}"#,
        ),
        (
            Kind::Service,
            r#"{"metadata": {"name": "web", "namespace": "shop", "uid": "s"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "htpp"}]}}"#,
        ),
    ];

    fn view(label: &str, objects: &[(Kind, &str)]) -> View {
        let mut builder = Builder::new(Source::Cluster);
        for kind in crate::cache::kinds(&RULES, &netdoctor_engine::config::Config::default()) {
            *builder.coverage(kind) = Coverage::complete();
        }
        let namespace = format!(r#"{{"metadata": {{"name": "shop", "labels": {{{label}}}}}}}"#);
        builder.insert(decode::from_slice(Kind::Namespace, namespace.as_bytes()));
        for (kind, json) in objects {
            builder.insert(decode::from_slice(*kind, json.as_bytes()));
        }
        View {
            snapshot: builder.seal(),
            ..View::default()
        }
    }

    fn codes(label: &str, policy: &str, own: &str) -> Vec<&'static str> {
        let policy = Policy::parse(policy).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let pass = judge(&view(label, SHOP), &policy, own, now).unwrap();
        assert_eq!(pass.found.len(), pass.remarks.len());
        pass.remarks.iter().map(|remark| remark.reason).collect()
    }

    #[test]
    fn what_the_webhook_would_have_said_is_found_later() {
        assert_eq!(codes("", "", "elsewhere"), ["SVC004"]);
    }

    #[test]
    fn a_kind_that_cannot_be_seen_silences_the_rules_about_it_and_no_others() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let pass = |kind, freshness| {
            let mut view = view("", SHOP);
            view.synced.0 =
                crate::cache::kinds(&RULES, &netdoctor_engine::config::Config::default())
                    .into_iter()
                    .map(|kind| (kind, Freshness::Fresh))
                    .collect();
            view.synced.0.insert(kind, freshness);
            judge(&view, &Policy::default(), "elsewhere", now)
        };
        // What cannot be converted cannot be listed.
        let ingresses = pass(Kind::Ingress, Freshness::Never).unwrap();
        assert_eq!(ingresses.found[0].code, "SVC004");
        assert!(ingresses.unasked.iter().any(|code| code.starts_with("ING")));
        assert!(!ingresses.unasked.contains("SVC004"));

        let pods = pass(Kind::Pod, Freshness::Stale).unwrap();
        assert!(pods.found.is_empty(), "{:?}", pods.found);
        assert!(pods.unasked.contains("SVC004"));

        let nobody_is_left_alone = pass(Kind::Namespace, Freshness::Never);
        assert!(nobody_is_left_alone.is_none());
    }

    /// Everything that refers to something finds it here.
    const TOWN: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop, team: a}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {conditions: [{type: Ready, status: 'True'}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080, hostPort: 8080}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: edge, namespace: shop}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec: {containers: [{name: edge, image: edge, ports: [{name: tls, containerPort: 8443}]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: '@daily'
  jobTemplate: {spec: {template: {
    metadata: {labels: {app: nightly}}, spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: shop, labels: {app: bare}}
spec: {containers: [{name: bare, image: bare, ports: [{name: http, containerPort: 8080}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432, targetPort: sql}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: edge, namespace: shop}, spec: {selector: {app: edge}, ports: [{name: tls, port: 443, targetPort: tls}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: bare, namespace: shop}, spec: {selector: {app: bare}, ports: [{name: http, port: 80, targetPort: http}]}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: outside}, spec: {controller: example.com/outside}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {ingressClassName: outside, defaultBackend: {service: {name: web, port: {name: http}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nightly, namespace: shop, creationTimestamp: '2025-01-01T00:00:00Z'}
spec: {podSelector: {matchLabels: {app: nightly}}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop, creationTimestamp: '2025-01-01T00:00:00Z'}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: db, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}, minReplicas: 1, maxReplicas: 2}
";

    /// What is found where this is known of one kind, none of whose objects is here.
    fn found_without(kind: Kind, coverage: Coverage) -> BTreeSet<(&'static str, String)> {
        let watched = crate::cache::kinds(&RULES, &netdoctor_engine::config::Config::default());
        let (snapshot, _) = read(TOWN, Source::Cluster, |builder| {
            builder.forget(kind, "", None);
            *builder.coverage(kind) = coverage;
        });
        let fresh = watched.into_iter().filter(|other| *other != kind);
        let view = View {
            snapshot,
            synced: Synced(fresh.map(|kind| (kind, Freshness::Fresh)).collect()),
            ..View::default()
        };
        let pass = judge(&view, &Policy::default(), "elsewhere", clock());
        let found = pass.unwrap_or_default().remarks.into_iter();
        found
            .map(|remark| (remark.reason, remark.object.to_string()))
            .collect()
    }

    #[test]
    fn whichever_kind_may_not_be_listed_nothing_is_called_missing_for_that() {
        // Nobody needs a Gateway.
        let whole = found_without(Kind::Gateway, Coverage::complete());
        for kind in crate::cache::kinds(&RULES, &netdoctor_engine::config::Config::default()) {
            let forbidden = Gap {
                cause: GapCause::Forbidden,
                ..Gap::not_read(kind)
            };
            let coverage = Coverage {
                gaps: vec![forbidden],
                ..Coverage::default()
            };
            let found = found_without(kind, coverage);
            let invented: Vec<_> = found.difference(&whole).collect();
            assert!(invented.is_empty(), "without {kind}: {invented:?}");
        }
        // What is known to be gone is missed.
        for (kind, code) in [
            (Kind::Service, "ING001"),
            (Kind::Pod, "SVC001"),
            (Kind::StatefulSet, "SVC001"),
            (Kind::DaemonSet, "SVC001"),
            (Kind::CronJob, "POL004"),
        ] {
            let found = found_without(kind, Coverage::complete());
            let missed = found.difference(&whole).any(|(found, _)| *found == code);
            assert!(missed, "{code} without {kind}: {found:?}");
        }
    }

    #[test]
    fn an_event_says_what_is_wrong_and_which_object_it_is_about() {
        let policy = Policy::default();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let pass = judge(&view("", SHOP), &policy, "elsewhere", now).unwrap();
        let [remark] = &pass.remarks[..] else {
            panic!("{pass:?}")
        };
        assert_eq!((&*remark.uid, &*remark.object.name), ("s", "web"));
        assert!(remark.note.contains("htpp"), "{}", remark.note);
        assert!(
            remark
                .note
                .ends_with("More: kubectl netdoctor explain SVC004")
        );
        assert_eq!(
            pass.found[0].grace, policy.grace,
            "the Pods may be on their way"
        );
    }

    #[test]
    fn who_is_left_alone_by_the_webhook_is_left_alone_here() {
        let none: [&str; 0] = [];
        assert_eq!(
            codes(r#""netdoctor.io/admission": "disabled""#, "", "x"),
            none
        );
        assert_eq!(codes("", "", "shop"), none);
        assert_eq!(codes("", "rules: {SVC004: {severity: 'off'}}", "x"), none);
        let quiet = "overrides: [{code: SVC004, namespaces: [shop], mode: audit}]";
        assert_eq!(codes("", quiet, "x"), none);
        let elsewhere = quiet.replace("shop", "legacy");
        assert_eq!(codes("", &elsewhere, "x"), ["SVC004"]);
    }
}
