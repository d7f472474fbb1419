//! What the webhook keeps its hands off, whatever rules would say (webhook.md 2.3).
//!
//! Most of it never arrives, because the webhook configuration leaves it out; that is for speed. This is for safety.

use super::{World, diff::Changed, object::Named, review::Review};
use crate::policy::ADMISSION_LABEL;
use netdoctor_engine::{
    model::{Kind, Namespace},
    rule::Rule,
};
use netdoctor_manifests::names::SYSTEM_NAMESPACES;

/// Whose work a cluster cannot do without.
const GROUPS: &[&str] = &["system:nodes", "system:serviceaccounts:kube-system"];
const USERS: &[&str] = &[
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:apiserver",
];

/// Whether the namespace or the user alone decides that nothing is judged.
pub(crate) fn by_whom_or_where(review: &Review<'_>, world: &World<'_>) -> bool {
    let user = &review.user;
    SYSTEM_NAMESPACES.contains(&&*review.namespace)
        || USERS.contains(&&*user.username)
        || user.groups.iter().any(|group| GROUPS.contains(&&**group))
        || namespace(review, world)
            .is_some_and(|found| found.meta.labels.get(ADMISSION_LABEL) == Some("disabled"))
}

/// The namespace of a request, as far as it is cached.
pub(crate) fn namespace<'a>(review: &Review<'_>, world: &World<'a>) -> Option<&'a Namespace> {
    let store = world.snapshot.store::<Namespace>();
    store.named("", &review.namespace).first()
}

/// Whether the labels of the request's namespace are known, with which it chooses its profile or opts out. Objects outside
/// namespaces have none to ask.
pub(crate) fn knows_namespace(review: &Review<'_>, world: &World<'_>) -> bool {
    review.namespace.is_empty()
        || world.synced.trouble(Kind::Namespace).is_none() && namespace(review, world).is_some()
}

/// Whether an object may not be held up: finalizers must be removable, and mirrors only show what a kubelet runs.
pub(crate) fn by_state(kind: Option<Kind>, object: &Named) -> bool {
    object.deleting || is_mirror(kind, object)
}

/// Whether it is a mirror of what a kubelet runs. The annotation says so of Pods alone: on other objects anybody could
/// write it to be left alone.
pub(crate) fn is_mirror(kind: Option<Kind>, object: &Named) -> bool {
    kind == Some(Kind::Pod) && object.mirror
}

/// Whether an update changes nothing that a rule could read: bookkeeping, or what controllers report. Labels of pods and
/// namespaces do count, because selectors read them.
pub(crate) fn is_bookkeeping(changed: &Changed, kind: Kind, rules: &[&'static Rule]) -> bool {
    use netdoctor_engine::pointer::is_within;
    let labels = matches!(kind, Kind::Pod | Kind::Namespace);
    let read = |place: &str| {
        let judging = rules.iter().filter(|rule| judges(rule, kind));
        judging.into_iter().any(|rule| rule.reads_at(place))
    };
    !changed.any(|place| {
        if is_within(place, "/status") {
            return false;
        }
        !is_within(place, "/metadata")
            || (labels && is_within(place, "/metadata/labels"))
            // Where the metadata differs as a whole, what is in it is not known.
            || place == "/metadata"
            || read(place)
    })
}

/// Whether a rule judges objects of a kind.
pub(crate) fn judges(rule: &Rule, kind: Kind) -> bool {
    // Custom workloads are judged as what they resemble.
    let kind = if kind == Kind::CustomWorkload {
        Kind::Deployment
    } else {
        kind
    };
    rule.on.iter().any(|check| check.kinds().contains(&kind))
}
