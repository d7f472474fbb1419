//! What is ours in the cluster, and what is not.

use crate::world::{MUTATING, SECRET, VALIDATING, World, configuration};
use axum::http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

const POLL: SignedDuration = SignedDuration::from_secs(10);

/// What somebody does to the Secret.
type Damage = fn(&mut Value);

/// The object without what we own and what every write changes.
fn theirs(mut object: Value) -> Value {
    object["webhooks"][0]["clientConfig"]
        .as_object_mut()
        .unwrap()
        .remove("caBundle");
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_field_of_a_configuration_is_written() {
    let world = World::new();
    let before = theirs(world.api.object(VALIDATING).unwrap());
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    assert_eq!(world.authorities(VALIDATING), 1);
    assert_eq!(theirs(world.api.object(VALIDATING).unwrap()), before);
    let writes: Vec<String> = world
        .api
        .requests()
        .into_iter()
        .filter(|r| !r.starts_with("GET"))
        .collect();
    let lease = "POST /apis/coordination.k8s.io/v1/namespaces/netdoctor-system/leases";
    let secret = "POST /api/v1/namespaces/netdoctor-system/secrets";
    let patches = [format!("PATCH {VALIDATING}"), format!("PATCH {MUTATING}")];
    assert_eq!(writes, [lease, secret, &patches[0], &patches[1]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_absent_is_not_made_and_one_that_comes_is_served() {
    let mut world = World::new();
    world.api.with(|store| store.objects.remove(MUTATING));
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    assert!(world.api.object(MUTATING).is_none());
    world.api.with(|store| {
        store.put(
            MUTATING,
            configuration("MutatingWebhookConfiguration", "mutate.netdoctor.io"),
        );
        // One of somebody else under the same name stays as it is.
        store.put(
            VALIDATING,
            configuration("ValidatingWebhookConfiguration", "validate.example.com"),
        );
    });
    world.pass(POLL);
    replica.look().await;
    assert_eq!(world.authorities(MUTATING), 1);
    assert_eq!(world.authorities(VALIDATING), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_deleted_meanwhile_stays_deleted() {
    let world = World::new();
    world.api.before(|store, method, path| {
        if method == Method::PATCH {
            store.objects.remove(path);
        }
    });
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    assert!(world.api.object(VALIDATING).is_none());
    assert!(world.api.object(MUTATING).is_none());
    assert!(replica.serving.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_writes_into_our_field_is_put_right() {
    let mut world = World::new();
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    let right = world.bundle(VALIDATING);
    for wrong in [json!("bm9uc2Vuc2U="), json!("!"), Value::Null] {
        world.api.with(|store| {
            let mut object = store.objects[VALIDATING].clone();
            object["webhooks"][0]["clientConfig"]["caBundle"] = wrong.clone();
            store.put(VALIDATING, object);
        });
        world.pass(POLL);
        replica.look().await;
        assert_eq!(world.bundle(VALIDATING), right, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_writes_nothing_but_its_wish_to_lead() {
    let mut world = World::new();
    let mut leader = world.replica(SignedDuration::ZERO).await;
    let mut follower = world.replica(SignedDuration::ZERO).await;
    leader.look().await;
    let before = world.api.requests().len();
    for _ in 0..5 {
        world.request_rotation("now");
        follower.look().await;
        world.pass(SignedDuration::from_secs(1));
    }
    let requests = world.api.requests();
    assert!(
        requests[before..]
            .iter()
            .all(|request| request.starts_with("GET")),
        "{requests:?}"
    );
    assert!(follower.serving.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_used_is_replaced_and_what_is_not_ours_in_it_stays() {
    let mut world = World::new();
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    let good = world.api.object(SECRET).unwrap();
    let damages: [Damage; 5] = [
        |secret| secret["data"] = Value::Null,
        |secret| secret["data"]["ca.crt"] = "bm9uc2Vuc2U=".into(),
        |secret| secret["data"]["ca.key"] = "bm9uc2Vuc2U=".into(),
        |secret| drop(secret["data"].as_object_mut().unwrap().remove("ca.key")),
        |secret| secret["data"]["previous.crt"] = "/////w==".into(),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        world.api.with(|store| {
            let mut secret = good.clone();
            secret["metadata"]["annotations"]["mine"] = "kept".into();
            damage(&mut secret);
            store.put(SECRET, secret);
        });
        world.pass(POLL);
        replica.look().await;
        assert_eq!(
            world.call(&replica, SignedDuration::ZERO).await,
            Ok(()),
            "damage {number}"
        );
        let secret = world.api.object(SECRET).unwrap();
        assert_eq!(secret["metadata"]["annotations"]["mine"], "kept");
        assert!(secret["data"]["ca.key"].is_string());
    }
    world.api.with(|store| store.objects.remove(SECRET));
    world.pass(POLL);
    replica.look().await;
    assert_eq!(
        world.call(&replica, SignedDuration::ZERO).await,
        Ok(()),
        "after it was deleted"
    );
}
