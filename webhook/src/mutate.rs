//! Repairs: only what a rule's fix is marked for, only where a namespace asked for it, only what the user left open.
//!
//! | rule | field | left open |
//! |---|---|---|
//! | HST001 | `hostPort` | the API server is about to refuse any value but that of `containerPort` |
//! | HST004 | `dnsPolicy` | unset; the API server has filled in its default by now |
//!
//! Everything else is suggested by the validating webhook, never injected. The patch holds no `test` operation, which
//! would fail the request, and is empty unless the object is clean afterwards.

use crate::{
    admit::{
        FailOpen, Operation, Outcome, World,
        judge::Ruling,
        never,
        object::{Named, decoded},
        review::Review,
    },
    policy::MUTATE_LABEL,
};
use json_patch::{Patch, PatchOperation};
use netdoctor_engine::{
    context::Change,
    finding::Finding,
    model::{Kind, decode::Any},
    report::Report,
    rule::{Rule, Surface},
    rules, run,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::collections::BTreeSet;

/// The rules whose fixes may be applied without a question (decision 27).
const RULES: &[&str] = &["HST001", "HST004"];

/// What a repaired object is judged by: two ports may have become one.
const CHECKED: &[&str] = &["HST001", "HST004", "HST005"];

/// What `kubectl apply` keeps of the manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The patch for the object of a request, and what is to be said about it.
pub(crate) fn repair(review: &Review<'_>, world: &World<'_>) -> (Ruling, Patch) {
    let nothing = || (Ruling::default(), Patch::default());
    if !wanted(review, world) {
        return nothing();
    }
    let Some(raw) = review.object else {
        return (Ruling::let_through(FailOpen::UnknownKind), Patch::default());
    };
    let named = Named::read(raw);
    let untouchable = never::by_state(review.kind, &named) || named.controller.is_some();
    if untouchable || !template_changes(review, raw) {
        return nothing();
    }
    let Some(new) = decoded(review, raw) else {
        return (Ruling::let_through(FailOpen::UnknownKind), Patch::default());
    };
    let Ok(object) = serde_json::from_str::<Value>(raw.get()) else {
        return (Ruling::let_through(FailOpen::UnknownKind), Patch::default());
    };
    patch(review, world, &new, &object)
}

/// Whether the namespace asked for repairs, and the object is one that may be repaired at all: never an immutable field.
fn wanted(review: &Review<'_>, world: &World<'_>) -> bool {
    let enabled = never::namespace(review, world)
        .is_some_and(|found| found.meta.labels.get(MUTATE_LABEL) == Some("enabled"));
    let kind = match review.operation {
        Operation::Create => matches!(review.kind, Some(Kind::Pod | Kind::Job)),
        Operation::Update => false,
        Operation::Delete | Operation::Connect | Operation::Other => return false,
    } || matches!(
        review.kind,
        Some(
            Kind::Deployment
                | Kind::StatefulSet
                | Kind::DaemonSet
                | Kind::ReplicaSet
                | Kind::ReplicationController
                | Kind::CronJob
        )
    );
    enabled && kind && review.sub_resource.is_empty() && !never::by_whom_or_where(review, world)
}

/// A changed template starts a rollout: none is started that the user did not start.
fn template_changes(review: &Review<'_>, new: &RawValue) -> bool {
    if review.operation == Operation::Create {
        return true;
    }
    let (Some(old), Some(new)) = (review.old_object.and_then(template), template(new)) else {
        return false;
    };
    old.get() != new.get()
}

fn template(raw: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object<'a> {
        #[serde(borrow)]
        spec: Spec<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec<'a> {
        #[serde(borrow, default)]
        template: Option<&'a RawValue>,
        #[serde(borrow, default)]
        job_template: Option<&'a RawValue>,
    }
    let object: Object<'_> = serde_json::from_str(raw.get()).ok()?;
    object.spec.template.or(object.spec.job_template)
}

fn patch(review: &Review<'_>, world: &World<'_>, new: &Any, object: &Value) -> (Ruling, Patch) {
    let found = ask(RULES, world, new, Surface::Admit);
    let mut ruling = Ruling {
        profile: world.policy.profile_of(never::namespace(review, world)),
        ..Ruling::default()
    };
    let mut patch = Patch::default();
    for finding in &found.findings {
        if let Some(operations) = operations(world, finding, new, object) {
            patch.0.extend(operations);
            ruling.rules.insert((finding.rule.code, Outcome::Patch));
            ruling.notes.push(note(finding));
        }
    }
    if patch.0.is_empty() || is_better(review, world, (new, object), &patch) {
        (ruling, patch)
    } else {
        (Ruling::default(), Patch::default())
    }
}

fn ask(codes: &[&str], world: &World<'_>, object: &Any, surface: Surface) -> Report {
    let rules: Vec<&'static Rule> = codes.iter().filter_map(|code| rules::find(code)).collect();
    let change = Change {
        old: None,
        new: Some(object),
    };
    run::run_for(
        &rules,
        world.snapshot,
        change,
        world.config,
        world.now,
        surface,
    )
}

/// What the first fix of a finding changes, without its tests. `None` where nothing is to be repaired.
fn operations(
    world: &World<'_>,
    finding: &Finding,
    new: &Any,
    object: &Value,
) -> Option<Vec<PatchOperation>> {
    let about_it = finding.subject.same_object(&new.reference());
    // Where somebody silenced the rule, it has no business to change anything either.
    world.policy.action(finding, world.policy.profile)?;
    let fix = finding
        .fixes
        .first()
        .filter(|fix| fix.mutating && about_it)?;
    let mut operations = Vec::new();
    for operation in &fix.patch.0 {
        match operation {
            PatchOperation::Test(_) => {}
            PatchOperation::Add(add) if declares(object, add.path.as_str()) => return None,
            PatchOperation::Add(_) | PatchOperation::Replace(_) => {
                operations.push(operation.clone());
            }
            _ => return None,
        }
    }
    (!operations.is_empty()).then_some(operations)
}

/// Whether a manifest says something about a field itself, as far as `kubectl apply` or server-side apply left a note of
/// it. The object does not tell: the API server has filled in defaults before webhooks are asked.
fn declares(object: &Value, pointer: &str) -> bool {
    in_last_applied(object, pointer) || is_applied(object, pointer)
}

fn in_last_applied(object: &Value, pointer: &str) -> bool {
    let applied = object["metadata"]["annotations"][LAST_APPLIED].as_str();
    applied
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .is_some_and(|manifest| {
            manifest
                .pointer(pointer)
                .is_some_and(|value| !value.is_null())
        })
}

/// Whether somebody owns the field through server-side apply. Who writes otherwise owns the defaults as well.
fn is_applied(object: &Value, pointer: &str) -> bool {
    // Items of lists are noted by key, not by index: no repair adds a field inside one.
    let noted = pointer.replace('/', "/f:");
    let entries = object["metadata"]["managedFields"].as_array();
    let mut applied = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry["operation"] == "Apply");
    applied.any(|entry| entry["fieldsV1"].pointer(&noted).is_some())
}

/// `HST004: set dnsPolicy: ClusterFirstWithHostNet on Deployment shop/web, as namespace shop asks for`.
fn note(finding: &Finding) -> String {
    let title = finding.fixes.first().map_or("repaired", |fix| &*fix.title);
    let subject = &finding.subject;
    format!(
        "{}: changed {subject}: {title} (namespace {} has {MUTATE_LABEL}=enabled)",
        finding.rule.code, subject.namespace
    )
}

/// Whether the patch applies, clears something, and brings nothing new.
fn is_better(
    review: &Review<'_>,
    world: &World<'_>,
    (new, object): (&Any, &Value),
    patch: &Patch,
) -> bool {
    let mut after = object.clone();
    let repaired = json_patch::patch(&mut after, patch)
        .ok()
        .and_then(|()| serde_json::value::to_raw_value(&after).ok())
        .and_then(|raw| decoded(review, &raw));
    let Some(repaired) = repaired else {
        return false;
    };
    // Manifests are judged as they stand: at admission a rule leaves out what the API server refuses by itself.
    let told = |object: &Any| -> BTreeSet<String> {
        let report = ask(CHECKED, world, object, Surface::Lint);
        let findings = report.findings.into_iter();
        findings.map(|finding| finding.fingerprint).collect()
    };
    let (before, after) = (told(new), told(&repaired));
    after.len() < before.len() && after.is_subset(&before)
}

#[cfg(test)]
mod tests;
