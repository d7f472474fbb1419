//! `service-selector-near-miss`

use super::selector_miss::{self, Instead, Miss, Near, Verdict};
use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{Kind, Object as _, Service, Workload},
    pointer,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "SVC002",
    name: "service-selector-near-miss",
    summary: "the selector of a Service misses the Pods by one label",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    confidence: Confidence::Likely,
    evidence: Evidence::Miss,
    needs: &[Kind::Pod],
    wants: super::CONTROLLERS,
    triggers: super::WORKLOADS,
    cases: &[("other-namespace", Severity::Error)],
    // Ports tell which near miss is meant.
    reads: super::PORT_READS,
    page: include_str!("selector_near_miss.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    match selector_miss::judge(cx, service) {
        Verdict::Skip(reason) => report.skip(reason),
        Verdict::Unknown(reason) => report.unknown(reason),
        Verdict::Miss(miss) if !miss.near.is_empty() => report_near(cx, service, &miss, report),
        Verdict::Miss(miss) if !miss.elsewhere.is_empty() => {
            report_elsewhere(cx, service, &miss, report);
        }
        // `service-selector-matches-nothing` reports a plain miss.
        Verdict::NotApplicable | Verdict::Miss(_) => report.not_applicable(),
    }
}

fn report_near<'a>(cx: &Context<'a>, service: &Service, miss: &Miss<'a>, report: &mut Reporter) {
    let Some(first) = miss.near.first() else {
        return;
    };
    let finding = report.find(message(cx, service, first));
    finding.key(first.key.clone()).at(
        pointer::join("/spec/selector", &first.key),
        "matches nothing",
    );
    for near in &miss.near {
        let place = cx.place_to_fix(near.workload);
        let (at, text) = match &near.instead {
            Instead::Value(value) => (
                pointer::join(&place.labels_pointer(), &near.key),
                format!("has `{value}`"),
            ),
            Instead::Key(key) => (
                pointer::join(&place.labels_pointer(), key),
                format!("has `{key}`"),
            ),
            Instead::Nothing => (place.labels_pointer(), format!("has no `{}`", near.key)),
        };
        finding.label(place.reference(), at, text);
    }
    for other in miss.near.iter().skip(1) {
        finding.note(message(cx, service, other));
    }
    soften(miss, first, finding);
    finding.note(selector_miss::consequence(service));
    looked(service, finding);
    match &miss.near[..] {
        [only] => finding.fix(fix(service, only)),
        _ => finding.fix(
            Fix::manual("choose the workload that the Service is for, and use its labels").command(
                format!(
                    "kubectl -n {} get pods --show-labels",
                    service.meta.namespace
                ),
            ),
        ),
    };
}

fn message<'a>(cx: &Context<'a>, service: &Service, near: &Near<'a>) -> String {
    let Near {
        key,
        wanted,
        instead,
        ..
    } = near;
    let place = cx.place_to_fix(near.workload);
    let workload = place.reference();
    // A Pod that nothing owns has no Pods, it is one.
    let have = match place {
        Workload::Pod(_) => format!("{workload} has"),
        Workload::Controller(_) => format!("the Pods of {workload} have"),
    };
    let subject = format!("Service `{}` selects `{key}={wanted}`", service.meta);
    match instead {
        Instead::Value(value) => format!("{subject}, {have} `{key}={value}`"),
        Instead::Key(other) => format!("{subject}, {have} `{other}={wanted}`"),
        Instead::Nothing => format!("{subject}, {have} no label `{key}`"),
    }
}

/// Guards that leave only context.
fn soften(miss: &Miss<'_>, first: &Near<'_>, finding: &mut Finding) {
    if let Some(excuse) = miss.excuse {
        finding.severity(Severity::Info).note(excuse);
        return;
    }
    // A key that stands elsewhere under another name is no label that an operator sets.
    let explained = |key: &String| matches!(first.instead, Instead::Key(_)) && *key == first.key;
    if let Some(key) = miss.undeclared.iter().find(|key| !explained(key)) {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Hint)
            .note(format!(
                "no template of the namespace declares the label `{key}`: something may set it while pods run"
            ));
    }
}

fn report_elsewhere<'a>(
    cx: &Context<'a>,
    service: &Service,
    miss: &Miss<'a>,
    report: &mut Reporter,
) {
    let selector = selector_miss::display(service.selector.iter());
    let place = if cx.speaks_to_anybody() {
        "another namespace".to_owned()
    } else {
        let names = miss.elsewhere.iter();
        let names: Vec<String> = names.map(|namespace| format!("`{namespace}`")).collect();
        format!("namespace {}", names.join(", "))
    };
    let finding = report.find(format!(
        "the selector `{selector}` of Service `{}` matches only workloads of {place}",
        service.meta,
    ));
    finding
        .case("other-namespace")
        .key("selector")
        .at("/spec/selector", "matches nothing in this namespace");
    if let Some(excuse) = miss.excuse {
        finding.severity(Severity::Info).note(excuse);
    } else if !cx.on_cluster() {
        // The workload for this namespace may be in files that were not handed in.
        finding.severity(Severity::Warning);
    }
    finding.note("a Service selects Pods of its own namespace only");
    looked(service, finding);
    finding.fix(
        Fix::manual("create the Service in the namespace of the Pods, or move the workload")
            .command(format!("kubectl get pods -A -l {selector}")),
    );
}

fn looked(service: &Service, finding: &mut Finding) {
    for kind in [
        Kind::Pod,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
    ] {
        finding.looked_through(kind, &service.meta.namespace);
    }
}

/// Replaces the one pair.
fn fix(service: &Service, near: &Near<'_>) -> Fix {
    let at = pointer::join("/spec/selector", &near.key);
    let fix = |title: String| {
        Fix::patch(FixClass::Review, title, service.reference()).test(&at, near.wanted.clone())
    };
    let with = |key: &str, value: &str| {
        let mut pairs: Vec<(String, String)> = service
            .selector
            .iter()
            .filter(|(other, _)| *other != near.key)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        pairs.push((key.to_owned(), value.to_owned()));
        selector_miss::set_selector(service, &pairs)
    };
    match &near.instead {
        Instead::Value(value) => fix(format!("select `{}={value}`", near.key))
            .replace(&at, value.clone())
            .command(with(&near.key, value)),
        Instead::Key(key) => fix(format!("select `{key}={}`", near.wanted))
            .remove(&at)
            .add(&pointer::join("/spec/selector", key), near.wanted.clone())
            .command(with(key, &near.wanted)),
        Instead::Nothing => {
            let pairs: Vec<(String, String)> = service
                .selector
                .iter()
                .filter(|(key, _)| *key != near.key)
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            Fix::manual(format!(
                "label the Pods with `{}={}`, or select without it",
                near.key, near.wanted
            ))
            .command(selector_miss::set_selector(service, &pairs))
        }
    }
}

#[cfg(test)]
mod tests;
