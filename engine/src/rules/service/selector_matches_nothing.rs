//! `service-selector-matches-nothing`

use super::selector_miss::{self, Miss, Verdict};
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Kind, Labels, Object as _, Service, Workload},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};
use serde_json::{Map, Value};

pub(super) static RULE: Rule = Rule {
    code: "SVC001",
    name: "service-selector-matches-nothing",
    summary: "the selector of a Service matches no Pod and no template",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    confidence: Confidence::Certain,
    evidence: Evidence::Miss,
    needs: &[Kind::Pod],
    wants: super::CONTROLLERS,
    triggers: super::WORKLOADS,
    // Ports tell which near miss is meant.
    reads: super::PORT_READS,
    page: include_str!("selector_matches_nothing.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    match selector_miss::judge(cx, service) {
        Verdict::NotApplicable => report.not_applicable(),
        Verdict::Skip(reason) => report.skip(reason),
        Verdict::Unknown(reason) => report.unknown(reason),
        // `service-selector-near-miss` says it better.
        Verdict::Miss(miss) if !miss.near.is_empty() || !miss.elsewhere.is_empty() => {
            report.not_applicable();
        }
        Verdict::Miss(miss) => report_miss(cx, service, &miss, report),
    }
}

fn report_miss<'a>(cx: &Context<'a>, service: &Service, miss: &Miss<'a>, report: &mut Reporter) {
    let selector = selector_miss::display(service.selector.iter());
    let finding = report.find(format!(
        "the selector `{selector}` of Service `{}` matches no Pod and no template of its namespace",
        service.meta
    ));
    finding
        .key("selector")
        .at("/spec/selector", "matches nothing");
    if let Some(excuse) = miss.excuse {
        finding.severity(Severity::Info).note(excuse);
    } else if let [first, ..] = &miss.undeclared[..] {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Hint);
        finding.note(format!(
            "no template of the namespace declares the label `{first}`: something may set it while pods run"
        ));
    } else if !cx.on_cluster() && miss.fitting.is_empty() {
        // Every workload here is taken, or fits in no way: the one that is meant may be made elsewhere.
        finding.confidence(Confidence::Likely);
        finding.note("no workload of the input is left that this Service could be for");
        if let Some(maker) = cx.maker_for(&service.meta) {
            finding.severity(Severity::Info);
            finding.note(format!(
                "{} of the input may make such Pods",
                maker.reference()
            ));
        } else if cx.is_system_namespace(&service.meta.namespace) {
            finding.severity(Severity::Info);
            finding.note("parts of the cluster itself run in this namespace");
        } else {
            finding.severity(Severity::Warning);
        }
    }
    finding.note(selector_miss::consequence(service));
    let namespace = &service.meta.namespace;
    for kind in [
        Kind::Pod,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
    ] {
        finding.looked_through(kind, namespace);
    }
    match &miss.fitting[..] {
        // A port alone is no sign: half of all programs listen on 8080 and call it `http`.
        [only] if selector_miss::is_named_alike(service, *only) => {
            let place = cx.place_to_fix(*only);
            finding.label(
                place.reference(),
                place.labels_pointer(),
                "carries other labels",
            );
            finding.note(format!(
                "{} carries `{}` and no Service selects it",
                place.reference(),
                selector_miss::display(place.pod_labels().iter())
            ));
            finding.fix(adopt(service, place));
        }
        _ => {
            finding.fix(
                Fix::manual("compare the selector with the labels of the Pods")
                    .command(format!("kubectl -n {namespace} get pods --show-labels")),
            );
        }
    }
}

/// Selects the one workload that fits.
fn adopt(service: &Service, workload: Workload<'_>) -> Fix {
    let labels = own_labels(workload);
    let pairs: Vec<(String, String)> = labels
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let as_value = |labels: &Labels| -> Value {
        let map: Map<String, Value> = labels
            .iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        map.into()
    };
    let title = match workload {
        Workload::Pod(_) => format!("select {}", workload.reference()),
        Workload::Controller(_) => format!("select the Pods of {}", workload.reference()),
    };
    Fix::patch(FixClass::Review, title, service.reference())
        .test("/spec/selector", as_value(&service.selector))
        .replace("/spec/selector", as_value(&labels))
        .command(selector_miss::set_selector(service, &pairs))
}

/// What the workload's controller itself selects by, when that is a plain map; otherwise all labels of its pods.
fn own_labels(workload: Workload<'_>) -> Labels {
    let selector = workload
        .controller()
        .and_then(|controller| controller.selector.as_ref());
    match selector {
        Some(selector)
            if selector.match_expressions.is_empty() && !selector.match_labels.is_empty() =>
        {
            selector.match_labels.clone()
        }
        _ => workload.pod_labels().without_runtime(),
    }
}

#[cfg(test)]
mod tests;
