//! `run_for`: what one change can break, without looking at the rest of the cluster.
//!
//! The subjects are the incoming object and those that point at it, found through the reverse indexes: labels lead to
//! Services and policies, names lead to Ingresses and autoscalers. The snapshot is overlaid, never copied, so the cost
//! depends on how many objects refer to the changed one, not on the size of the cluster.

use super::{Judged, Runner};
use crate::{
    config::Config,
    context::{Change, Context},
    model::{
        Autoscaler, Ingress, IngressClass, Kind, Labels, NetworkPolicy, Node, Object as _,
        ObjectRef, Pod, Secret, Service, Workload, decode::Any,
    },
    report::Report,
    rule::{Check, Rule, Surface},
    snapshot::Snapshot,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// One object to judge.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Service(&'a Service),
    Workload(Workload<'a>),
    Ingress(&'a Ingress),
    IngressClass(&'a IngressClass),
    NetworkPolicy(&'a NetworkPolicy),
    Autoscaler(&'a Autoscaler),
    Node(&'a Node),
    Secret(&'a Secret),
    Other(&'a Any),
}

/// Runs the rules that a change can break: those about the new object, and those about objects that refer to it.
///
/// With neither `old` nor `new` there is nothing to judge and the report is empty.
pub fn run_for(
    rules: &[&'static Rule],
    snapshot: &Snapshot,
    change: Change<'_>,
    config: &Config,
    now: Timestamp,
    surface: Surface,
) -> Report {
    let context = Context::new(snapshot, config, now, surface, change);
    let mut runner = Runner::new(&context, rules);
    let mut seen: BTreeSet<ObjectRef> = BTreeSet::new();
    for subject in affected(&context, change) {
        if seen.insert(subject.reference()) {
            for rule in runner.selected.clone() {
                for check in rule.on {
                    runner.judge(rule, *check, subject);
                }
            }
        }
    }
    runner.outcomes.finish(&context)
}

impl Subject<'_> {
    fn reference(&self) -> ObjectRef {
        match self {
            Self::Service(object) => object.reference(),
            Self::Workload(object) => object.reference(),
            Self::Ingress(object) => object.reference(),
            Self::IngressClass(object) => object.reference(),
            Self::NetworkPolicy(object) => object.reference(),
            Self::Autoscaler(object) => object.reference(),
            Self::Node(object) => object.reference(),
            Self::Secret(object) => object.reference(),
            Self::Other(any) => any.reference(),
        }
    }
}

fn affected<'a>(context: &Context<'a>, change: Change<'a>) -> Vec<Subject<'a>> {
    let mut subjects: Vec<Subject<'a>> = change.new.map(incoming).into_iter().collect();
    for any in change.old.into_iter().chain(change.new) {
        match any {
            Any::Pod(pod) => pods_changed(
                context,
                &pod.meta.namespace,
                &pod.meta.labels,
                &mut subjects,
            ),
            Any::Controller(controller) => {
                pods_changed(
                    context,
                    &controller.meta.namespace,
                    &controller.template.labels,
                    &mut subjects,
                );
                subjects.extend(
                    context
                        .autoscalers_of(controller)
                        .into_iter()
                        .map(Subject::Autoscaler),
                );
            }
            Any::Service(service) => {
                let naming = context.ingresses_naming(&service.meta.namespace, &service.meta.name);
                subjects.extend(naming.into_iter().map(Subject::Ingress));
            }
            Any::IngressClass(class) => {
                subjects.extend(
                    context
                        .ingresses_of_class(&class.meta.name)
                        .into_iter()
                        .map(Subject::Ingress),
                );
            }
            Any::NetworkPolicy(policy) => {
                let workloads =
                    context.matched_workloads(&policy.meta.namespace, &policy.pod_selector);
                subjects.extend(
                    workloads
                        .unwrap_or_default()
                        .into_iter()
                        .map(Subject::Workload),
                );
            }
            _ => {}
        }
    }
    subjects
}

fn incoming(any: &Any) -> Subject<'_> {
    match any {
        Any::Pod(pod) => Subject::Workload(Workload::Pod(pod)),
        Any::Controller(controller) => Subject::Workload(Workload::Controller(controller)),
        Any::Service(service) => Subject::Service(service),
        Any::Ingress(ingress) => Subject::Ingress(ingress),
        Any::IngressClass(class) => Subject::IngressClass(class),
        Any::NetworkPolicy(policy) => Subject::NetworkPolicy(policy),
        Any::Autoscaler(autoscaler) => Subject::Autoscaler(autoscaler),
        Any::Node(node) => Subject::Node(node),
        Any::Secret(secret) => Subject::Secret(secret),
        _ => Subject::Other(any),
    }
}

/// Services and policies that select pods with these labels.
fn pods_changed<'a>(
    context: &Context<'a>,
    namespace: &str,
    labels: &Labels,
    subjects: &mut Vec<Subject<'a>>,
) {
    subjects.extend(
        context
            .services_selecting(namespace, labels)
            .into_iter()
            .map(Subject::Service),
    );
    let policies = context.in_namespace::<NetworkPolicy>(namespace);
    // An unknown operator may select them: judging one policy too many does no harm.
    let selecting = policies.filter(|policy| policy.pod_selector.matches(labels) != Some(false));
    subjects.extend(selecting.map(Subject::NetworkPolicy));
}

impl<'a> Runner<'_, 'a> {
    fn judge(&mut self, rule: &'static Rule, check: Check, subject: Subject<'a>) {
        match (check, subject) {
            (Check::Service(f), Subject::Service(service)) => self.one(rule, service, f),
            (Check::Workload(f), Subject::Workload(workload)) => {
                let judged = Judged::new(workload.kind(), workload.meta(), workload.reference());
                self.workload(rule, &judged, workload, f);
            }
            (Check::Pod(f), Subject::Workload(Workload::Pod(pod))) => self.one::<Pod>(rule, pod, f),
            (Check::Ingress(f), Subject::Ingress(ingress)) => self.one(rule, ingress, f),
            (Check::IngressClass(f), Subject::IngressClass(class)) => self.one(rule, class, f),
            (Check::NetworkPolicy(f), Subject::NetworkPolicy(policy)) => self.one(rule, policy, f),
            (Check::Autoscaler(f), Subject::Autoscaler(autoscaler)) => {
                self.one(rule, autoscaler, f);
            }
            (Check::Node(f), Subject::Node(node)) => self.one(rule, node, f),
            (Check::Secret(f), Subject::Secret(secret)) => self.one(rule, secret, f),
            (Check::Gateway(f), Subject::Other(Any::Gateway(gateway))) => {
                self.one(rule, gateway, f);
            }
            (Check::IngressRoute(f), Subject::Other(Any::IngressRoute(route))) => {
                self.one(rule, route, f);
            }
            (Check::Certificate(f), Subject::Other(Any::Certificate(certificate))) => {
                self.one(rule, certificate, f);
            }
            (Check::EndpointSlice(f), Subject::Other(Any::EndpointSlice(slice))) => {
                self.one(rule, slice, f);
            }
            (
                Check::WebhookConfiguration(f),
                Subject::Other(Any::WebhookConfiguration(configuration)),
            ) => {
                self.one(rule, configuration, f);
            }
            (
                Check::CustomResourceDefinition(f),
                Subject::Other(Any::CustomResourceDefinition(definition)),
            ) => {
                self.one(rule, definition, f);
            }
            _ => {}
        }
    }
}

/// Kinds whose changes `run_for` can judge, for watches and webhook rules.
pub fn judged_kinds(rules: &[&'static Rule]) -> BTreeSet<Kind> {
    let admitted = rules.iter().filter(|rule| rule.admit.is_some());
    admitted
        .flat_map(|rule| {
            rule.on
                .iter()
                .flat_map(|check| check.kinds())
                .chain(rule.triggers)
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Origin, decode},
        rules::RULES,
        snapshot::Source,
        testkit::{Ran, clock, read},
    };

    const CLUSTER: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: broken-elsewhere, namespace: other}
spec: {selector: {app: x}, ports: [{port: 80, targetPort: nope}]}
---
apiVersion: v1
kind: Pod
metadata: {name: x, namespace: other, labels: {app: x}}
spec: {containers: [{name: x, image: x}]}
";

    fn change(old: &str, new: &str) -> Ran {
        let (snapshot, _) = read(CLUSTER, Source::Cluster, |_| {});
        let any = |yaml: &str| {
            let value = crate::manifest::parse(yaml.as_bytes())
                .documents
                .into_iter()
                .next()?
                .value;
            decode::from_value(value, Origin::Live).ok()
        };
        let (old, new) = (any(old), any(new));
        let change = Change {
            old: old.as_ref(),
            new: new.as_ref(),
        };
        Ran(run_for(
            &RULES,
            &snapshot,
            change,
            &Config::default(),
            clock(),
            Surface::Admit,
        ))
    }

    fn deployment() -> &'static str {
        CLUSTER.split("---").nth(1).unwrap()
    }

    #[test]
    fn a_workload_that_loses_a_port_name_reaches_the_rule_of_its_service() {
        let ran = change(
            deployment(),
            &deployment().replace("name: http, ", "name: web, "),
        );
        let finding = ran.one("SVC004");
        assert_eq!(finding.subject.to_string(), "Service shop/web");
    }

    #[test]
    fn a_harmless_change_is_quiet_and_nothing_else_is_judged() {
        let ran = change(
            deployment(),
            &deployment().replace("image: web", "image: web:2"),
        );
        ran.none("SVC004");
        assert!(
            ran.0.rules.iter().all(|count| count.violated == 0),
            "{}",
            ran.describe()
        );
    }

    #[test]
    fn a_new_service_sees_the_pods_of_the_snapshot() {
        let service = CLUSTER.split("---").next().unwrap();
        let ran = change(
            "",
            &service
                .replace("name: web, n", "name: web2, n")
                .replace("targetPort: http", "targetPort: htp"),
        );
        assert_eq!(ran.one("SVC004").subject.to_string(), "Service shop/web2");
    }

    #[test]
    fn a_removed_object_is_hidden() {
        let ran = change(deployment(), "");
        ran.none("SVC004");
    }
}
