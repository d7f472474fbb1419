//! `policy-rules-ignored-by-types`

use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Kind, NetworkPolicy, Object as _},
    policy::Direction,
    rule::{Action, Check, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "POL007",
    name: "policy-rules-ignored-by-types",
    summary: "policyTypes leaves out a direction for which the policy has rules",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    wants: &[
        Kind::Pod,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
    ],
    reads: &["/spec/policyTypes", "/spec/ingress", "/spec/egress"],
    page: include_str!("policy_rules_ignored_by_types.md"),
    file: file!(),
    on: &[Check::NetworkPolicy(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, policy: &'a NetworkPolicy, report: &mut Reporter) {
    let Some(types) = &policy.policy_types else {
        return; // Kubernetes fills it from the rules.
    };
    if let Some(odd) = types
        .iter()
        .find(|name| !matches!(&***name, "Ingress" | "Egress"))
    {
        return report.unknown(format!(
            "policyTypes holds `{odd}`, which is neither Ingress nor Egress"
        ));
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        let rules = direction.rules(policy).len();
        if rules > 0 && !direction.isolates(policy) {
            report_direction(cx, policy, direction, rules, report);
        }
    }
}

fn report_direction<'a>(
    cx: &Context<'a>,
    policy: &'a NetworkPolicy,
    direction: Direction,
    rules: usize,
    report: &mut Reporter,
) {
    let (field, name) = (direction.field(), direction.type_name());
    let types = policy
        .policy_types
        .iter()
        .flatten()
        .map(|text| &**text)
        .collect::<Vec<_>>();
    let count = if rules == 1 {
        "1 rule".to_owned()
    } else {
        format!("{rules} rules")
    };
    let finding = report.find(format!(
        "`{field}` of NetworkPolicy `{}` has {count}, but `policyTypes` is [{}], so they do nothing",
        policy.meta.name,
        types.join(", ")
    ));
    finding
        .key(field)
        .at(format!("/spec/{field}"), "does nothing");
    finding.at("/spec/policyTypes", format!("lacks {name}"));
    finding.note(format!(
        "this policy leaves {field} of the pods that it selects open"
    ));
    if let Some(selected) = cx
        .matched_workloads(&policy.meta.namespace, &policy.pod_selector)
        .filter(|s| !s.is_empty())
    {
        finding.note(format!(
            "with {name} in `policyTypes` only what the rules admit would pass for {}",
            super::name_some(&super::owners(cx, &selected))
        ));
    }
    let types: serde_json::Value = types.into();
    finding.fix(
        Fix::patch(
            FixClass::Review,
            format!("add {name} to policyTypes; that starts to isolate the pods"),
            policy.reference(),
        )
        .test("/spec/policyTypes", types.clone())
        .add("/spec/policyTypes/-", name),
    );
    finding.fix(
        Fix::patch(
            FixClass::Review,
            format!("delete the {field} rules, which changes no traffic"),
            policy.reference(),
        )
        .test("/spec/policyTypes", types)
        .remove(&format!("/spec/{field}")),
    );
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check, check_page, fix_clears, lint};

    fn policy(spec: &str) -> String {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  {spec}
"
        )
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn either_direction_is_found_with_its_own_key() {
        let ran = lint(&policy(
            "policyTypes: [Ingress]\n  egress: [{to: [{podSelector: {}}]}]",
        ));
        assert_eq!(ran.one("POL007").key, "egress");
        let ran = check(&policy(
            "policyTypes: [Egress]\n  ingress: [{}]\n  egress: [{}]",
        ));
        assert_eq!(ran.one("POL007").key, "ingress");
    }

    #[test]
    fn the_fix_adds_the_type_and_nothing_else() {
        fix_clears(&policy("policyTypes: [Ingress]\n  egress: [{}]"), "POL007");
    }

    #[test]
    fn the_pods_that_the_fix_would_isolate_are_named() {
        let pod = "
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
";
        let ran = lint(&(policy("policyTypes: [Ingress]\n  egress: [{}]") + pod));
        let notes = ran.one("POL007").notes.join("\n");
        assert!(notes.contains("Pod shop/web-1"), "{notes}");
    }

    #[test]
    fn absent_and_empty_types_are_filled_by_the_api() {
        lint(&policy("egress: [{}]")).none("POL007");
        lint(&policy("policyTypes: []\n  egress: [{}]")).none("POL007");
        lint(&policy(
            "policyTypes: null\n  ingress: [{}]\n  egress: [{}]",
        ))
        .none("POL007");
    }

    #[test]
    fn empty_rule_lists_are_no_rules_and_an_empty_rule_is_one() {
        lint(&policy("policyTypes: [Ingress]\n  egress: []")).none("POL007");
        lint(&policy("policyTypes: [Ingress]\n  egress: null")).none("POL007");
        lint(&policy("policyTypes: [Ingress]\n  egress: [{}]")).one("POL007");
        lint(&policy("policyTypes: [Ingress, Egress]\n  egress: [{}]")).none("POL007");
    }

    #[test]
    fn an_unknown_type_gives_no_verdict() {
        lint(&policy("policyTypes: [egress]\n  egress: [{}]"))
            .none("POL007")
            .unknown("POL007", "`egress`");
    }

    #[test]
    fn unreadable_rules_accuse_nobody() {
        lint(&policy("policyTypes: [Ingress]\n  egress: all"))
            .none("POL007")
            .unknown("POL007", "/spec/egress");
    }
}
