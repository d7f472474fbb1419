//! What a webhook is asked about, and the command that takes it out of the way.

use super::Numbered;
use crate::model::{Object as _, Text, WebhookConfiguration};
use std::collections::BTreeSet;

/// Title and command of the way out: these webhooks are ignored until somebody sets them back.
pub(super) fn break_glass(
    configuration: &WebhookConfiguration,
    refusing: &[Numbered<'_>],
) -> (&'static str, String) {
    let operations: Vec<String> = refusing
        .iter()
        .map(|(index, webhook)| {
            format!(
                "{{\"op\":\"test\",\"path\":\"/webhooks/{index}/name\",\"value\":\"{}\"}},\
                 {{\"op\":\"add\",\"path\":\"/webhooks/{index}/failurePolicy\",\"value\":\"Ignore\"}}",
                webhook.name
            )
        })
        .collect();
    (
        "break glass: let requests pass without this webhook until it is back (its owner may undo that)",
        format!(
            "kubectl patch {} {} --type=json -p '[{}]'",
            configuration.kind().plural(),
            configuration.meta.name,
            operations.join(",")
        ),
    )
}

/// What the webhooks are asked about: `CREATE, UPDATE of pods, deployments.apps`.
pub(super) fn scope(webhooks: &[Numbered<'_>]) -> String {
    let mut operations: BTreeSet<&str> = BTreeSet::new();
    let mut resources: BTreeSet<String> = BTreeSet::new();
    for rule in webhooks.iter().flat_map(|(_, webhook)| &webhook.rules) {
        operations.extend(rule.operations.iter().map(|operation| &**operation));
        for resource in &rule.resources {
            let groups = rule.api_groups.iter().filter(|group| !group.is_empty());
            let mut named = groups
                .map(|group| format!("{resource}.{group}"))
                .collect::<Vec<_>>();
            if rule.api_groups.iter().any(Text::is_empty) || named.is_empty() {
                named.push(resource.to_string());
            }
            resources.extend(named);
        }
    }
    let operations = if operations.is_empty() || operations.contains("*") {
        "every change".to_owned()
    } else {
        operations.into_iter().collect::<Vec<_>>().join(", ")
    };
    let more = resources.len().saturating_sub(5);
    let mut listed = resources
        .iter()
        .take(5)
        .map(|resource| match &**resource {
            "*" | "*.*" | "*/*" | "*/*.*" => "all resources",
            resource => resource,
        })
        .collect::<Vec<_>>()
        .join(", ");
    if listed.is_empty() {
        "the resources of its rules".clone_into(&mut listed);
    }
    if more > 0 {
        listed = format!("{listed} and {more} more");
    }
    let limited = webhooks.iter().all(|(_, webhook)| {
        webhook
            .namespace_selector
            .as_ref()
            .is_some_and(|selector| !selector.is_empty())
    });
    let place = if limited {
        " in the namespaces it selects"
    } else {
        ""
    };
    format!("{operations} of {listed}{place}")
}
