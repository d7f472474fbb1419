//! Why a Service selects nothing: the analysis that `service-selector-matches-nothing` and
//! `service-selector-near-miss` share, so that exactly one of them speaks.

use crate::{
    context::Context,
    model::{Controller, IntOrString, Kind, Labels, Object as _, Pod, Service, Workload},
    near,
    selector::contains_all,
    snapshot::{Absence, GapCause},
};

/// What became of the selector.
pub(super) enum Verdict<'a> {
    /// It selects something, or selecting is not what the Service does.
    NotApplicable,
    /// A guard applies.
    Skip(String),
    /// Evidence is missing.
    Unknown(String),
    /// Nothing carries these labels.
    Miss(Miss<'a>),
}

/// A selector that matches no pod and no template.
pub(super) struct Miss<'a> {
    /// What was probably meant; all equally near. Empty for a plain miss.
    pub(super) near: Vec<Near<'a>>,
    /// Namespaces other than the Service's where all pairs match something that no Service selects.
    pub(super) elsewhere: Vec<&'a str>,
    /// Selector keys that no template of the namespace declares: an operator may set them while pods run.
    pub(super) undeclared: Vec<String>,
    /// Workloads of the namespace that no Service selects and that fit this one by name or port.
    pub(super) fitting: Vec<Workload<'a>>,
    /// Why the finding is no more than context, if it is.
    pub(super) excuse: Option<&'static str>,
}

/// A label set that carries all pairs but one.
pub(super) struct Near<'a> {
    /// The workload that carries it.
    pub(super) workload: Workload<'a>,
    /// The key of the selector.
    pub(super) key: String,
    /// The value of the selector.
    pub(super) wanted: String,
    /// What the workload has instead.
    pub(super) instead: Instead,
}

/// The difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Instead {
    /// Another value.
    Value(String),
    /// The same value under another key.
    Key(String),
    /// No such label.
    Nothing,
}

/// Judges the selector of a Service.
pub(super) fn judge<'a>(cx: &Context<'a>, service: &'a Service) -> Verdict<'a> {
    let namespace = &*service.meta.namespace;
    if !service.selects_pods() || service.meta.deleting() || !cx.backends(service).is_empty() {
        return Verdict::NotApplicable;
    }
    let wanted = service.selector.without_runtime();
    if wanted.is_empty() {
        return Verdict::Skip(
            "the selector holds only labels that controllers set while pods run".to_owned(),
        );
    }
    // Finished and terminating pods, and workloads at 0, are about endpoints, not about labels.
    if !cx.pods_labelled(namespace, &service.selector).is_empty() {
        return Verdict::NotApplicable;
    }
    if let Some(controller) = without_pods(cx, namespace, &wanted) {
        let reference = controller.reference();
        return Verdict::Skip(format!("{reference} makes such pods and has none now"));
    }
    if let Some(verdict) = not_proven(cx, service, &wanted) {
        return verdict;
    }
    Verdict::Miss(analyse(cx, service, &wanted))
}

/// A matching controller that is not the old revision of something that is here: a Job between runs, the `ReplicaSet`
/// of a Rollout that is scaled to 0.
fn without_pods<'a>(cx: &Context<'a>, namespace: &str, wanted: &Labels) -> Option<&'a Controller> {
    cx.controllers_labelled(namespace, wanted)
        .into_iter()
        .find(|controller| cx.top_owner(&controller.meta).is_none())
}

/// Why "nothing matches" cannot be said.
fn not_proven<'a>(cx: &Context<'a>, service: &Service, wanted: &Labels) -> Option<Verdict<'a>> {
    let namespace = &*service.meta.namespace;
    if cx.on_cluster() {
        // A Deployment at 0 has no pods: without the list of Deployments it cannot be told from a wrong label. The others
        // seldom are without pods, so that nobody has to hand them in; but one that may not be listed may be the one.
        let refused = super::CONTROLLERS
            .iter()
            .copied()
            .filter(|kind| may_not_be_listed(cx, *kind));
        return [Kind::Pod, Kind::Deployment, Kind::StatefulSet]
            .into_iter()
            .chain(refused)
            .find_map(|kind| match cx.absence(kind, namespace) {
                Absence::Unknown(reason) => Some(Verdict::Unknown(reason)),
                _ => None,
            });
    }
    let satisfies = |labels: &Labels| contains_all(labels, wanted);
    if cx.may_be_here::<Controller>(&service.meta, |found| satisfies(&found.template.labels))
        || cx.may_be_here::<Pod>(&service.meta, |found| satisfies(&found.meta.labels))
    {
        return Some(Verdict::Skip(
            "namespace not stated: a workload of the input would match".to_owned(),
        ));
    }
    if cx.label_sets(namespace).is_empty() && elsewhere(cx, service, wanted).is_empty() {
        return Some(Verdict::Skip(format!(
            "not in this input: workloads of namespace `{namespace}`"
        )));
    }
    None
}

fn may_not_be_listed(cx: &Context<'_>, kind: Kind) -> bool {
    let coverage = cx.snapshot.coverage.get(&kind);
    let mut gaps = coverage.into_iter().flat_map(|coverage| &coverage.gaps);
    gaps.any(|gap| gap.cause == GapCause::Forbidden)
}

fn analyse<'a>(cx: &Context<'a>, service: &'a Service, wanted: &Labels) -> Miss<'a> {
    let sets = cx.label_sets(&service.meta.namespace);
    let declared = |key: &str| sets.iter().any(|(labels, _)| labels.get(key).is_some());
    let undeclared = wanted
        .iter()
        .filter(|(key, _)| !sets.is_empty() && !declared(key))
        .map(|(key, _)| key.to_owned())
        .collect();
    let mut best = u8::MAX;
    let mut near: Vec<Near<'a>> = Vec::new();
    let mut fitting = Vec::new();
    for (labels, workload) in &sets {
        let fits = fits(service, *workload);
        let missing = wanted
            .iter()
            .filter(|(key, value)| labels.get(key) != Some(value));
        // Most label sets are neither near nor fitting: who selects them does not matter.
        if !fits && missing.take(2).count() != 1 {
            continue;
        }
        let free = cx
            .services_selecting(&service.meta.namespace, labels)
            .is_empty();
        if free && fits {
            fitting.push(*workload);
        }
        let Some((rank, found)) = compare(wanted, labels, *workload, free, fits) else {
            continue;
        };
        // A label that nothing declares is set by somebody at run time, not forgotten on this workload.
        if found.instead == Instead::Nothing && !declared(&found.key) {
            continue;
        }
        if rank < best {
            best = rank;
            near.clear();
        }
        if rank == best
            && !near
                .iter()
                .any(|other| other.key == found.key && other.instead == found.instead)
        {
            near.push(found);
        }
    }
    let elsewhere = if near.is_empty() {
        elsewhere(cx, service, wanted)
    } else {
        Vec::new()
    };
    let excuse = excuse(cx, service, &near);
    Miss {
        near,
        elsewhere,
        undeclared,
        fitting,
        excuse,
    }
}

/// How near a label set is, smaller is nearer. `free`: no other Service selects it. `fits`: by name or port it could be
/// meant.
fn compare<'a>(
    wanted: &Labels,
    labels: &'a Labels,
    workload: Workload<'a>,
    free: bool,
    fits: bool,
) -> Option<(u8, Near<'a>)> {
    let mut missing = wanted
        .iter()
        .filter(|(key, value)| labels.get(key) != Some(value));
    let (key, value) = missing.next()?;
    // What another Service already selects, and what fits in no way, is another part of the application.
    if missing.next().is_some() || !(free || fits) {
        return None;
    }
    let (rank, instead) = if let Some(found) = labels.get(key) {
        let near =
            near::distance(value, found).filter(|_| free || !only_digits_differ(value, found));
        let rank = near.or((wanted.len() > 1 && free && fits).then_some(3))?;
        (rank, Instead::Value(found.to_owned()))
    } else if let Some(other) = other_key(wanted, labels, key, value) {
        (1, Instead::Key(other))
    } else {
        if wanted.len() < 2 || !free || !fits {
            return None;
        }
        (4, Instead::Nothing)
    };
    let near = Near {
        workload,
        key: key.to_owned(),
        wanted: value.to_owned(),
        instead,
    };
    Some((rank, near))
}

/// Keys that charts use for the same thing.
const NAMING_KEYS: &[&str] = &["app", "name", "k8s-app", "app.kubernetes.io/name"];

/// A key that the selector does not use, with the wanted value: misspelt, or another convention.
fn other_key(wanted: &Labels, labels: &Labels, key: &str, value: &str) -> Option<String> {
    labels
        .iter()
        .filter(|(other, found)| *found == value && wanted.get(other).is_none())
        .find(|(other, _)| {
            near::distance(key, other).is_some()
                || (NAMING_KEYS.contains(&key) && NAMING_KEYS.contains(other))
        })
        .map(|(other, _)| other.to_owned())
}

/// `web-1` and `web-2` are siblings, not slips of the hand.
fn only_digits_differ(a: &str, b: &str) -> bool {
    let letters = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    letters(a) == letters(b)
}

/// The name of one is in the name of the other.
pub(super) fn is_named_alike(service: &Service, workload: Workload<'_>) -> bool {
    let (one, other) = (&*service.meta.name, &*workload.meta().name);
    let within = |part: &str, whole: &str| format!("-{whole}-").contains(&format!("-{part}-"));
    within(one, other) || within(other, one)
}

/// Name or target port say that the workload could be behind the Service.
fn fits(service: &Service, workload: Workload<'_>) -> bool {
    is_named_alike(service, workload)
        || service.ports.iter().any(|port| {
            let target = port.target();
            workload.spec().declared_ports().any(|(_, declared)| {
                declared.protocol == port.protocol
                    && match &target {
                        IntOrString::Int(number) => declared.container_port == *number,
                        IntOrString::Text(name) => declared.name.as_deref() == Some(&**name),
                    }
            })
        })
}

/// Other namespaces where all pairs match something that no Service there selects.
fn elsewhere<'a>(cx: &Context<'a>, service: &Service, wanted: &Labels) -> Vec<&'a str> {
    let namespaces = cx.snapshot.index.namespaces();
    let mut found: Vec<&'a str> = namespaces
        .into_iter()
        .filter(|namespace| **namespace != *service.meta.namespace)
        .filter(|namespace| {
            let workloads = cx.workloads_with(namespace, wanted);
            workloads.first().is_some_and(|workload| {
                cx.services_selecting(namespace, workload.pod_labels())
                    .is_empty()
                    && fits(service, *workload)
            })
        })
        .collect();
    found.truncate(3);
    found
}

/// Keys whose value somebody switches on purpose.
const SWITCHED_KEYS: &[&str] = &["color", "colour", "track", "slot", "deployment-slot"];

fn excuse<'a>(cx: &Context<'a>, service: &'a Service, near: &[Near<'a>]) -> Option<&'static str> {
    if service.meta.controller().is_some() || !service.meta.owner_references.is_empty() {
        return Some("the Service has an owner, which may change the selector or make the pods");
    }
    let variants = cx.named::<Service>(&service.meta.namespace, &service.meta.name);
    if variants
        .iter()
        .any(|variant| !cx.backends(variant).is_empty())
    {
        return Some("another variant of this Service in the input matches");
    }
    let switched = near.iter().any(|near| {
        let name = near.key.rsplit('/').next().unwrap_or_default();
        SWITCHED_KEYS.contains(&name)
    });
    let rollout = near.iter().any(|near| {
        let reference = cx.place_to_fix(near.workload).reference();
        let owner = near.workload.meta().controller().map(|owner| &*owner.kind);
        &*reference.kind == "Rollout" || owner == Some("Rollout")
    });
    (switched || rollout).then_some("the label looks switched on purpose (blue/green, canary)")
}

/// `a=b,c=d`, as kubectl takes a selector.
pub(super) fn display<'b>(pairs: impl Iterator<Item = (&'b str, &'b str)>) -> String {
    pairs
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// The command that gives a Service another selector.
pub(super) fn set_selector(service: &Service, pairs: &[(String, String)]) -> String {
    format!(
        "kubectl -n {} set selector service {} {}",
        service.meta.namespace,
        service.meta.name,
        display(pairs.iter().map(|(key, value)| (&**key, &**value)))
    )
}

/// What clients see.
pub(super) fn consequence(service: &Service) -> &'static str {
    if service.is_headless() {
        "the Service has no endpoint: its DNS name has no address"
    } else {
        "the Service has no endpoint: connections to its address are refused"
    }
}
