//! The scale subresource, for those who ask for it: more replicas than there are nodes.

use super::{
    Operation, World,
    judge::{Asking, Ruling, ask},
    review::Review,
};
use crate::policy::Asked;
use netdoctor_engine::{
    context::Change,
    model::{Controller, Kind, Object as _, decode::Any},
    rules,
};
use serde_json::Value;

/// The only rule that a number of replicas breaks by itself.
const RULE: &str = "HST010";

/// Judges a change of the scale subresource. `None` when there is nothing to judge.
pub(crate) fn judge(review: &Review<'_>, world: &World<'_>) -> Option<Ruling> {
    let asked = review.sub_resource == "scale"
        && review.operation == Operation::Update
        && world.policy.scale == Asked::Warned;
    if !asked {
        return None;
    }
    let scale: Value = serde_json::from_str(review.object?.get()).ok()?;
    let replicas = i32::try_from(scale["spec"]["replicas"].as_i64().unwrap_or(0)).ok()?;
    let resource = &review.resource;
    let kind = Kind::all()
        .find(|kind| kind.plural() == resource.resource && kind.group() == resource.group)?;
    let store = world.snapshot.store::<Controller>();
    let mut named = store.named(&review.namespace, &review.name).iter();
    let controller = named.find(|controller| controller.kind() == kind)?;
    let mut scaled = controller.clone();
    scaled.replicas = Some(replicas);
    let (old, new) = (Any::Controller(controller.clone()), Any::Controller(scaled));
    let asking = Asking {
        review,
        reference: new.reference(),
        controller: controller
            .meta
            .controller()
            .map(|owner| owner.kind.to_string()),
        change: Change {
            old: Some(&old),
            new: Some(&new),
        },
    };
    let rule = rules::find(RULE)?;
    Some(ask(&asking, world, vec![rule], &|_| true))
}
