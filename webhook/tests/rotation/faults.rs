//! An API server that fails at every possible moment.

use crate::{
    fake_api::Fault,
    parser::Exposition,
    world::{LEASE, Replica, SECRET, VALIDATING, World},
};
use jiff::SignedDuration;

/// Seldom, so that a rotation takes few looks.
const POLL: SignedDuration = SignedDuration::from_mins(1);

/// Looks, whatever comes of it, and lets time pass.
async fn looks(world: &mut World, replicas: &mut [Replica], times: usize) {
    for _ in 0..times {
        world.pass(POLL);
        for replica in &mut *replicas {
            _ = replica.managed.look().await;
        }
        for replica in &*replicas {
            let called = world.call(replica, SignedDuration::from_secs(290)).await;
            assert_eq!(called, Ok(()));
        }
    }
}

async fn started() -> (World, Vec<Replica>) {
    let mut world = World::new();
    let mut replicas = vec![
        world.replica(SignedDuration::ZERO).await,
        world.replica(SignedDuration::ZERO).await,
    ];
    for replica in &mut replicas {
        replica.look().await;
    }
    world.pass(SignedDuration::from_secs(300));
    (world, replicas)
}

/// Runs one rotation in which the request of this number meets a fault. Says whether there was such a request.
async fn rotation_with(fault: Fault, number: usize) -> bool {
    let (mut world, mut replicas) = started().await;
    let mut count = 0;
    let met = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let meets = met.clone();
    world.request_rotation("now");
    world.api.faults(move |_, _| {
        count += 1;
        let now = count == number;
        meets.fetch_or(now, std::sync::atomic::Ordering::Relaxed);
        now.then_some(fault)
    });
    looks(&mut world, &mut replicas, 12).await;
    let secret = world.api.object(SECRET).unwrap();
    assert!(
        secret["data"]["previous.crt"].is_string(),
        "{fault:?} at {number}: it never ended"
    );
    assert!(secret["data"]["next.crt"].is_null());
    assert_eq!(world.authorities(VALIDATING), 2);
    met.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_a_fault_at_any_request() {
    // The requests of the first looks, in which everything begins, and some of the wait.
    for number in 1..30 {
        for fault in [Fault::Refuse(500), Fault::Unreachable, Fault::LoseAnswer] {
            assert!(
                rotation_with(fault, number).await,
                "there are fewer requests than {number}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_survives_an_api_server_that_fails_every_third_time() {
    for fault in [Fault::Refuse(500), Fault::LoseAnswer, Fault::Refuse(409)] {
        let (mut world, mut replicas) = started().await;
        world.request_rotation("now");
        let mut count = 0;
        world.api.faults(move |_, _| {
            count += 1;
            (count % 3 == 0).then_some(fault)
        });
        looks(&mut world, &mut replicas, 60).await;
        world.api.heal();
        looks(&mut world, &mut replicas, 12).await;
        let secret = world.api.object(SECRET).unwrap();
        assert!(secret["data"]["next.crt"].is_null(), "{fault:?}");
        assert!(secret["data"]["previous.crt"].is_string(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_gone_leaves_everything_as_it_is() {
    let (mut world, mut replicas) = started().await;
    world.api.faults(|_, _| Some(Fault::Unreachable));
    for replica in &mut replicas {
        assert!(replica.managed.look().await.is_err());
    }
    looks(&mut world, &mut replicas, 20).await;
    assert!(replicas.iter().all(|replica| replica.serving.is_ready()));

    let mut late = world.replica(SignedDuration::ZERO).await;
    assert!(late.managed.look().await.is_err());
    assert!(
        !late.serving.is_ready(),
        "a replica that starts now has nothing to answer with"
    );
    world.api.heal();
    late.look().await;
    assert!(late.serving.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_to_configurations_are_counted_and_do_not_keep_a_replica_from_serving() {
    let mut world = World::new();
    world.api.faults(|_, path| {
        path.contains("webhookconfigurations")
            .then_some(Fault::Refuse(403))
    });
    let mut replica = world.replica(SignedDuration::ZERO).await;
    for failures in 1..4 {
        let error = replica.managed.look().await.unwrap_err();
        assert!(
            error.to_string().contains("webhook configuration"),
            "{error}"
        );
        let text = replica.metrics.render(world.wall());
        let sample = format!("netdoctor_cabundle_patch_failures_total {failures}\n");
        assert!(text.contains(&sample));
        assert!(replica.serving.is_ready());
        world.pass(POLL);
    }
    world.api.heal();
    replica.look().await;
    assert_eq!(world.authorities(VALIDATING), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_configuration_that_cannot_be_written_does_not_stop_the_other() {
    let world = World::new();
    world.api.faults(|method, path| {
        (method == axum::http::Method::PATCH && path.contains("mutating"))
            .then_some(Fault::Refuse(422))
    });
    let mut replica = world.replica(SignedDuration::ZERO).await;
    assert!(replica.managed.look().await.is_err());
    assert_eq!(world.authorities(VALIDATING), 1);
}

/// Whether a replica says that it leads, and how often it knew nothing about the Lease.
fn election(world: &World, replica: &Replica) -> [Option<f64>; 2] {
    let text = replica.metrics.render(world.wall());
    let exposition = Exposition::parse(&text).unwrap();
    ["netdoctor_leader", "netdoctor_lease_failures_total"].map(|name| exposition.value(name, &[]))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lease_a_replica_serves_and_nobody_writes() {
    let mut world = World::new();
    world
        .api
        .faults(|_, path| path.contains("/leases").then_some(Fault::Refuse(403)));
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    assert!(
        replica.serving.is_ready(),
        "the first Secret needs no leader"
    );
    assert!(world.api.object(LEASE).is_none());
    assert_eq!(world.authorities(VALIDATING), 0);
    assert_eq!(election(&world, &replica), [Some(0.0), Some(1.0)]);
    world.api.heal();
    world.pass(POLL);
    replica.look().await;
    assert_eq!(world.authorities(VALIDATING), 1);
    assert_eq!(election(&world, &replica), [Some(1.0), Some(1.0)]);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_holds_nobody_up_for_ever() {
    let world = World::new();
    let mut replica = world.replica(SignedDuration::ZERO).await;
    replica.look().await;
    for hangs in ["/leases", "/secrets", "webhookconfigurations"] {
        world
            .api
            .faults(move |_, path| path.contains(hangs).then_some(Fault::Hang));
        let begin = tokio::time::Instant::now();
        let looked = replica.managed.look().await;
        // Without news about the Lease it still leads for a while, and finds nothing to do.
        assert_eq!(looked.is_ok(), hangs == "/leases", "{hangs}");
        assert_eq!(begin.elapsed().as_secs(), 10, "{hangs}");
        assert!(replica.serving.is_ready());
    }
}
