//! `autoscaler-targets-daemonset`

use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{Autoscaler, Condition},
    rule::{Action, Check, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "HST011",
    name: "autoscaler-targets-daemonset",
    summary: "an autoscaler targets a DaemonSet, which cannot be scaled",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    reads: &["/spec/scaleTargetRef"],
    page: include_str!("autoscaler_targets_daemonset.md"),
    file: file!(),
    on: &[Check::Autoscaler(check)],
    ..Rule::BASE
};

fn check<'a>(_cx: &Context<'a>, autoscaler: &'a Autoscaler, report: &mut Reporter) {
    let target = &autoscaler.spec.scale_target_ref;
    let group = target
        .api_version
        .rsplit_once('/')
        .map_or("", |(group, _)| group);
    // Another group's DaemonSet may well have a scale subresource.
    if &*target.kind != "DaemonSet" || !matches!(group, "" | "apps" | "extensions") {
        return;
    }
    let name = &target.name;
    let finding = report.find(format!(
        "autoscaler `{}` targets DaemonSet `{name}`, which has no replicas to change",
        autoscaler.meta
    ));
    finding.at(
        "/spec/scaleTargetRef/kind",
        "a DaemonSet has no scale subresource",
    );
    finding.note(
        "the number of its Pods is the number of nodes that it may use; the autoscaler never acts",
    );
    let stuck = Condition::find(&autoscaler.status.conditions, "AbleToScale");
    if let Some(message) = stuck
        .filter(|condition| condition.is_false())
        .and_then(|condition| condition.message.as_deref())
    {
        finding.note(format!("the controller says: {message}"));
    }
    finding.fix(
        Fix::manual("remove the autoscaler, or make the target a Deployment without host ports")
            .command(format!(
                "kubectl delete hpa {} -n {}",
                autoscaler.meta.name, autoscaler.meta.namespace
            )),
    );
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check, check_page, check_with, forbid, lint};

    const BROKEN: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: edge, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: DaemonSet, name: edge}, maxReplicas: 5}
status: {conditions: [{type: AbleToScale, status: 'False', reason: FailedGetScale, message: no matches for scale}]}
";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_controllers_own_words_are_evidence() {
        let ran = check(BROKEN);
        let notes = &ran.one("HST011").notes;
        assert!(
            notes
                .iter()
                .any(|note| note.contains("no matches for scale")),
            "{notes:?}"
        );
    }

    #[test]
    fn what_can_be_scaled_is_fine() {
        lint(&BROKEN.replace("kind: DaemonSet", "kind: Deployment")).none("HST011");
        // A DaemonSet of another group, and an autoscaler of another kind.
        lint(&BROKEN.replace("apps/v1", "apps.example.test/v1")).none("HST011");
        lint(&BROKEN.replace(
            "apiVersion: autoscaling/v2\nkind: Horizontal",
            "apiVersion: autoscaling.k8s.io/v1\nkind: Vertical",
        ))
        .none("HST011");
    }

    #[test]
    fn autoscalers_that_could_not_be_listed_are_unknown() {
        let ran = check_with("", |builder| {
            forbid(builder, crate::model::Kind::HorizontalPodAutoscaler);
        });
        ran.none("HST011")
            .unknown("HST011", "horizontalpodautoscalers");
    }
}
