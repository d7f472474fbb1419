//! What server and auditor may do (webhook.md 11): read what the rules read, and write nothing but their own.

use serde_json::{Value, json};

use crate::object::{Part, cluster, namespaced, with};
use crate::{Options, names, scope};

/// Accounts, roles and bindings of the server.
pub(crate) fn of_webhook(options: &Options) -> Vec<Value> {
    let part = Part::Webhook;
    let name = names::WEBHOOK;
    let own = names::CONFIGURATIONS_ROLE;
    vec![
        account(options, name, part),
        with(
            cluster(RBAC, "ClusterRole", name, part),
            json!({"rules": reads()}),
        ),
        bind_cluster_role(options, name, name, part),
        with(
            cluster(RBAC, "ClusterRole", own, part),
            json!({"rules": [own_configurations()]}),
        ),
        bind_cluster_role(options, own, name, part),
        with(
            namespaced(options, RBAC, "Role", name, part),
            json!({"rules": own_objects()}),
        ),
        bind_role(options, name, part),
    ]
}

/// Accounts, roles and bindings of the auditor. Its rights are not the server's: only the auditor writes Events.
pub(crate) fn of_auditor(options: &Options) -> Vec<Value> {
    let part = Part::Auditor;
    let name = names::AUDITOR;
    let mut rules = reads();
    rules.push(rule(
        &["", "events.k8s.io"],
        &["events"],
        &["create", "patch"],
    ));
    vec![
        account(options, name, part),
        with(
            cluster(RBAC, "ClusterRole", name, part),
            json!({"rules": rules}),
        ),
        bind_cluster_role(options, name, name, part),
        with(
            namespaced(options, RBAC, "Role", name, part),
            json!({"rules": [configuration()]}),
        ),
        bind_role(options, name, part),
    ]
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

fn named(group: &str, resource: &str, names: &[&str], verbs: &[&str]) -> Value {
    with(
        rule(&[group], &[resource], verbs),
        json!({"resourceNames": names}),
    )
}

/// The kinds of the rules, to list and watch.
fn reads() -> Vec<Value> {
    scope::by_group(scope::watched())
        .into_iter()
        .map(|(group, resources)| rule(&[group], &resources, &["list", "watch"]))
        .collect()
}

/// Only the two configurations of ours, for `caBundle`. A 404 is an answer: nothing is created.
fn own_configurations() -> Value {
    with(
        rule(
            &["admissionregistration.k8s.io"],
            &[
                "mutatingwebhookconfigurations",
                "validatingwebhookconfigurations",
            ],
            &["get", "list", "patch", "update", "watch"],
        ),
        json!({"resourceNames": [names::MUTATING, names::VALIDATING]}),
    )
}

/// The Secret of the authority, the Lease of its writer, the configuration. `create` cannot be limited to a name.
fn own_objects() -> Vec<Value> {
    vec![
        named(
            "",
            "secrets",
            &[names::CA_SECRET],
            &["get", "list", "update", "watch"],
        ),
        rule(&[""], &["secrets"], &["create"]),
        named(
            "coordination.k8s.io",
            "leases",
            &[names::LEASE],
            &["get", "patch", "update"],
        ),
        rule(&["coordination.k8s.io"], &["leases"], &["create"]),
        configuration(),
    ]
}

pub(crate) fn configuration() -> Value {
    named(
        "",
        "configmaps",
        &[names::CONFIG_MAP],
        &["get", "list", "watch"],
    )
}

/// The token is mounted by the Pods that need it, not by everything that runs under the account.
fn account(options: &Options, name: &str, part: Part) -> Value {
    with(
        namespaced(options, "v1", "ServiceAccount", name, part),
        json!({"automountServiceAccountToken": false}),
    )
}

fn subject(options: &Options, account: &str) -> Value {
    json!([{"kind": "ServiceAccount", "name": account, "namespace": options.namespace}])
}

fn bind_cluster_role(options: &Options, role: &str, account: &str, part: Part) -> Value {
    with(
        cluster(RBAC, "ClusterRoleBinding", role, part),
        json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": subject(options, account),
        }),
    )
}

fn bind_role(options: &Options, name: &str, part: Part) -> Value {
    with(
        namespaced(options, RBAC, "RoleBinding", name, part),
        json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": subject(options, name),
        }),
    )
}
