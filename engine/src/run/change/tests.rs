//! One change at a time.

mod before;
mod properties;
mod slots;
mod triggers;

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
