//! The Secret is lost, or comes back from a backup: callers, who learn late, do not notice.

use crate::world::{Replica, SECRET, VALIDATING, World};
use jiff::SignedDuration;
use netdoctor_webhook::tls::rotation::Timing;

const POLL: SignedDuration = SignedDuration::from_secs(10);
/// Callers learn of a bundle this long after it was written.
const LATE: SignedDuration = SignedDuration::from_secs(15);

/// Two replicas that callers have trusted for a while.
async fn started() -> (World, Vec<Replica>) {
    let mut world = World::new();
    let mut replicas = vec![
        world.replica(SignedDuration::ZERO).await,
        world.replica(SignedDuration::ZERO).await,
    ];
    for replica in &mut replicas {
        replica.look().await;
    }
    world.pass(SignedDuration::from_mins(1));
    (world, replicas)
}

/// Time passes, and every call succeeds before and after each look.
async fn go_on(world: &mut World, replicas: &mut [Replica], polls: usize) {
    for poll in 0..polls {
        world.pass(POLL);
        for number in 0..replicas.len() {
            replicas[number].look().await;
            for (of, replica) in replicas.iter().enumerate() {
                let called = world.call(replica, LATE).await;
                assert_eq!(called, Ok(()), "poll {poll}, look {number}, call {of}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_lost() {
    let (mut world, mut replicas) = started().await;
    let before = world.bundle(VALIDATING);
    world.api.with(|store| store.objects.remove(SECRET));
    go_on(&mut world, &mut replicas, 6).await;
    let after = world.bundle(VALIDATING);
    assert!(after.ends_with(&before) && after.len() > before.len());
    // The new one signs by now: the old one would not do any more.
    world.pass(Timing::default().leaf / 2);
    let mut third = world.replica(SignedDuration::ZERO).await;
    third.look().await;
    assert_eq!(world.call(&third, LATE).await, Ok(()));
    assert_eq!(world.authorities(VALIDATING), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_a_backup() {
    let (mut world, mut replicas) = started().await;
    let backup = world.api.object(SECRET).unwrap();
    world.request_rotation("after the backup");
    go_on(&mut world, &mut replicas, 45).await;
    assert_eq!(world.authorities(VALIDATING), 2);
    world.api.with(|store| store.put(SECRET, backup));
    go_on(&mut world, &mut replicas, 6).await;
    assert_eq!(
        world.authorities(VALIDATING),
        2,
        "what the backup does not know stays trusted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_that_has_ended_is_not_waited_with() {
    let (mut world, mut replicas) = started().await;
    world.api.with(|store| store.objects.remove(SECRET));
    world.pass(SignedDuration::from_hours(24 * 91));
    replicas[0].look().await;
    world.pass(LATE);
    assert_eq!(world.call(&replicas[0], SignedDuration::ZERO).await, Ok(()));
    assert_eq!(
        world.authorities(VALIDATING),
        1,
        "nobody answers with the one before"
    );
}
