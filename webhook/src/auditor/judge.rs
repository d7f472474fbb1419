//! One pass: all rules of the webhook over everything that is cached.

use super::{event::Remark, ledger::Found};
use crate::{
    cache::View,
    policy::{ADMISSION_LABEL, Policy},
};
use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::{
    finding::Finding,
    model::Namespace,
    rule::{Action, Evidence, Rule, Surface},
    rules::RULES,
    run::run,
};
use netdoctor_manifests::names::SYSTEM_NAMESPACES;
use std::collections::BTreeMap;

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// What is worth an Event, and how to say it. Both have the same order.
    pub(super) found: Vec<Found>,
    pub(super) remarks: Vec<Remark>,
    /// How many findings there are by rule and action, those that are only recorded included.
    pub(super) counts: BTreeMap<(&'static str, Action), usize>,
}

/// Judges a view. `own` is the namespace that the auditor runs in.
pub(super) fn judge(view: &View, policy: &Policy, own: &str, now: Timestamp) -> Pass {
    let rules: Vec<&'static Rule> = RULES
        .iter()
        .copied()
        .filter(|rule| rule.admit.is_some())
        .collect();
    let report = run(&rules, &view.snapshot, &policy.config, now, Surface::Admit);
    let mut pass = Pass::default();
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
    pass
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
        namespace: remark.namespace().to_owned(),
        wording: remark.wording,
        grace,
        weight: finding.severity as u8 * 4 + action as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_engine::{
        model::{Kind, decode},
        snapshot::{Builder, Coverage, Source},
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
        let pass = judge(&view(label, SHOP), &policy, own, now);
        assert_eq!(pass.found.len(), pass.remarks.len());
        pass.remarks.iter().map(|remark| remark.reason).collect()
    }

    #[test]
    fn what_the_webhook_would_have_said_is_found_later() {
        assert_eq!(codes("", "", "elsewhere"), ["SVC004"]);
    }

    #[test]
    fn an_event_says_what_is_wrong_and_which_object_it_is_about() {
        let policy = Policy::default();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let pass = judge(&view("", SHOP), &policy, "elsewhere", now);
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
