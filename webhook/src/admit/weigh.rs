//! What a finding does to a request: the profile says what it may do, the request what it must not (webhook.md 2.2–2.5).

use super::{
    Deferred, Operation, Outcome, World,
    judge::{Asking, Said},
    never,
    object::seconds_between,
};
use crate::policy::{Profile, can_deny};
use netdoctor_engine::{
    finding::{Finding, Lookup},
    model::{ObjectRef, decode::Any},
    rule::{Action, Confidence, Evidence},
};

/// A denial of what an apply is about to make whole would never end: tools try a whole set before they write any of it.
const IN_THE_SAME_APPLY: &str = "would be denied unless the referent changes in the same apply";
const SETTLING: &str = "would be denied if the referent had not just changed";
/// A namespace says by label how strict the webhook is there: one that cannot be asked may have said "not at all".
const UNKNOWN_NAMESPACE: &str = "not denied while the labels of its namespace are not known";
/// Where objects add up, none is complete before the last of them is there.
const MORE_TO_COME: &str = "not denied while it is new: another object may add what it leaves out";
const OTHER_HALF: &str = "looked at again once the referent had time to follow";

/// Weighs a finding; `None` where the configuration silences it.
pub(crate) fn weigh(
    asking: &Asking<'_>,
    world: &World<'_>,
    profile: Profile,
    finding: Finding,
    milder: bool,
) -> Option<Said> {
    let action = world.policy.action(&finding, profile)?;
    let (outcome, but) = match action {
        _ if made_by_a_controller(asking) => (Outcome::Audit, None),
        Action::Audit => (Outcome::Audit, None),
        Action::Warn => (Outcome::Warn, None),
        Action::Deny if milder || !may_deny(asking, profile, &finding) => (Outcome::Warn, None),
        Action::Deny if !never::knows_namespace(asking.review, world) => {
            (Outcome::Warn, Some(UNKNOWN_NAMESPACE))
        }
        Action::Deny => match two_objects(asking, world, profile, &finding) {
            Some(but) => (Outcome::Warn, Some(but)),
            None => (Outcome::Deny, None),
        },
    };
    Some(Said {
        finding,
        outcome,
        but,
    })
}

/// Pods, `ReplicaSets` and Jobs of a controller: refusing them makes it try for ever, and breaks what was there before.
fn made_by_a_controller(asking: &Asking<'_>) -> bool {
    asking.controller.is_some() && matches!(&*asking.reference.kind, "Pod" | "ReplicaSet" | "Job")
}

/// Whether a finding may refuse this request at all.
fn may_deny(asking: &Asking<'_>, profile: Profile, finding: &Finding) -> bool {
    profile > Profile::Advisory
        && asking.review.operation != Operation::Delete
        && asking.review.sub_resource.is_empty()
        // Seen from the other side, the object that is at fault is not the one that is being written.
        && finding.subject.same_object(&asking.reference)
        // Whatever owns it would make it again.
        && asking.controller.is_none()
        && can_deny(finding.rule)
        // What a guard made doubtful is not certain any more.
        && finding.confidence >= finding.rule.confidence
        && finding.confidence > Confidence::Hint
}

/// Why a contradiction between two objects is not refused here: the other one may change in a moment.
fn two_objects(
    asking: &Asking<'_>,
    world: &World<'_>,
    profile: Profile,
    finding: &Finding,
) -> Option<&'static str> {
    if finding.rule.evidence != Evidence::Contra {
        return None;
    }
    if finding.rule.additive && is_new(asking, world) {
        return Some(MORE_TO_COME);
    }
    if asking.review.dry_run {
        return Some(IN_THE_SAME_APPLY);
    }
    if profile == Profile::Strict {
        return None;
    }
    if asking.review.operation != Operation::Create {
        return Some(OTHER_HALF);
    }
    let others = referents(finding);
    let settled = !others.is_empty() && others.iter().all(|other| is_settled(world, other));
    (!settled).then_some(SETTLING)
}

/// The objects that a finding is about besides its subject.
fn referents(finding: &Finding) -> Vec<ObjectRef> {
    let labels = finding.labels.iter().map(|label| label.object.clone());
    let lookups = finding.lookups.iter().filter_map(|lookup| match lookup {
        Lookup::Object(kind, namespace, name) => Some(ObjectRef::wanted(*kind, namespace, name)),
        Lookup::All(..) => None,
    });
    let mut others: Vec<ObjectRef> = labels
        .chain(lookups)
        .filter(|other| !other.same_object(&finding.subject))
        .collect();
    others.sort();
    others.dedup();
    others
}

/// Whether the object that is written is being made, or was within the grace period. Later changes make it no younger.
fn is_new(asking: &Asking<'_>, world: &World<'_>) -> bool {
    let meta = asking.change.new.map(Any::meta);
    let created = meta.and_then(|meta| meta.creation_timestamp);
    asking.review.operation == Operation::Create
        || created.is_some_and(|at| seconds_between(at, world.now) < world.policy.grace.as_secs())
}

/// Whether an object has been left alone for the grace period.
fn is_settled(world: &World<'_>, object: &ObjectRef) -> bool {
    let created = world
        .snapshot
        .meta(object)
        .and_then(|meta| meta.creation_timestamp);
    let last = (world.changed)(object).max(created);
    last.is_none_or(|last| seconds_between(last, world.now) >= world.policy.grace.as_secs())
}

/// What the auditor looks at again: what is missing may arrive, and the other half of an edit may follow.
pub(crate) fn deferred(asking: &Asking<'_>, world: &World<'_>, said: &Said) -> Option<Deferred> {
    let finding = &said.finding;
    let open = match finding.rule.evidence {
        Evidence::Miss => true,
        Evidence::Contra => said.but.is_some(),
        Evidence::Own | Evidence::Fact | Evidence::Status => false,
    };
    let due = world.now.checked_add(world.policy.grace).ok()?;
    (open && said.outcome == Outcome::Warn && !asking.review.dry_run).then(|| Deferred {
        code: finding.rule.code,
        object: finding.subject.clone(),
        fingerprint: finding.fingerprint.clone(),
        due,
    })
}

/// What another finding of the same answer explains is recorded only, unless it weighs more than its cause.
pub(crate) fn fold(said: &mut [Said]) {
    let told: Vec<(String, Outcome)> = said
        .iter()
        .map(|said| (said.finding.fingerprint.clone(), said.outcome))
        .collect();
    for said in said {
        let cause = said.finding.explained_by.as_ref();
        let heavier = told
            .iter()
            .any(|(cause_of, outcome)| Some(cause_of) == cause && *outcome >= said.outcome);
        if heavier {
            said.outcome = said.outcome.min(Outcome::Audit);
        }
    }
}
