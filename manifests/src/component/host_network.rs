//! The server on the node's network: for control planes that have no route to Pods (EKS with a CNI of one's own).

use json_patch::PatchOperation;
use serde_json::json;

use super::{Edits, add, in_container, replace, variable};
use crate::object::{Part, selector};
use crate::{Options, names};

/// A port of a node that nobody is known to use: 10250 is the kubelet's there.
const PORT: u16 = 9443;

pub(super) fn edits(options: &Options) -> Edits {
    let webhook = if options.port == Options::default().port {
        PORT
    } else {
        options.port
    };
    let mut operations = vec![
        add(&["spec", "template", "spec", "hostNetwork"], true),
        add(
            &["spec", "template", "spec", "dnsPolicy"],
            "ClusterFirstWithHostNet",
        ),
        // Every declared port is one of the node: one replica per node, and room before the next one comes.
        add(
            &["spec", "template", "spec", "affinity"],
            json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
                "labelSelector": {"matchLabels": selector(Part::Webhook)},
                "topologyKey": "kubernetes.io/hostname",
            }]}}),
        ),
        replace(
            &["spec", "strategy", "rollingUpdate"],
            json!({"maxSurge": 0, "maxUnavailable": 1}),
        ),
    ];
    let [health, metrics] = names::HOST_PLAIN_PORTS;
    let variables = [
        "NETDOCTOR_PORT",
        "NETDOCTOR_HEALTH_PORT",
        "NETDOCTOR_METRICS_PORT",
    ];
    for (index, (name, port)) in variables
        .into_iter()
        .zip([webhook, health, metrics])
        .enumerate()
    {
        operations.extend(port_operations(options, index, name, port));
    }
    let mut edits = Edits::patch("Deployment", names::WEBHOOK, operations);
    edits.also(
        "Namespace",
        &options.namespace,
        ["audit", "enforce", "warn"]
            .map(|mode| {
                let label = format!("pod-security.kubernetes.io/{mode}");
                // Host networking is outside both other standards.
                replace(&["metadata", "labels", &label], "privileged")
            })
            .to_vec(),
    );
    // Policies do not see Pods on the node's network.
    edits.removes = vec![("NetworkPolicy", names::WEBHOOK)];
    edits
}

fn port_operations(options: &Options, index: usize, name: &str, port: u16) -> [PatchOperation; 2] {
    let position = variable(options, name);
    [
        replace(
            &in_container(&["ports", &index.to_string(), "containerPort"]),
            port,
        ),
        replace(
            &in_container(&["env", &position, "value"]),
            port.to_string(),
        ),
    ]
}
