//! Years of rotations in seconds: no caller ever meets a certificate that it does not trust.

use crate::world::{LEASE, MUTATING, Replica, SECRET, VALIDATING, World};
use jiff::SignedDuration;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// API servers that learn almost as late as the propagation time allows.
const LATE: SignedDuration = SignedDuration::from_secs(290);
/// How often replicas look.
const POLL: SignedDuration = SignedDuration::from_secs(10);

/// Calls every replica, as an API server that knows everything and as one that learns late.
async fn call_all(world: &mut World, replicas: &[Replica], when: &str) {
    for (number, replica) in replicas.iter().enumerate() {
        for late in [SignedDuration::ZERO, LATE] {
            let called = world.call(replica, late).await;
            assert_eq!(called, Ok(()), "replica {number}, {late:?} late, {when}");
        }
    }
}

/// Two replicas, started, with everybody told.
async fn started() -> (World, Vec<Replica>) {
    let mut world = World::new();
    // One clock is three hours slow, the other two days fast: the API server's counts.
    let mut replicas = vec![
        world.replica(SignedDuration::from_hours(-3)).await,
        world.replica(DAY * 2).await,
    ];
    for replica in &mut replicas {
        replica.look().await;
    }
    world.pass(LATE);
    call_all(&mut world, &replicas, "at the start").await;
    (world, replicas)
}

/// The serial number of the authority in use.
fn current(world: &World) -> String {
    world.api.object(SECRET).unwrap()["data"]["ca.crt"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_rotations_with_restarts_fail_nobody() {
    let (mut world, mut replicas) = started().await;
    for rotation in 0..10 {
        let before = current(&world);
        if rotation % 2 == 0 {
            world.request_rotation(&format!("request {rotation}"));
        } else {
            // Two thirds of a year later it is due by itself; leaves were renewed on the way.
            for _ in 0..25 {
                world.pass(DAY * 10);
                for replica in &mut replicas {
                    replica.look().await;
                }
                call_all(&mut world, &replicas, "in quiet times").await;
            }
        }
        for look in 0..16 {
            world.pass(POLL * 3);
            // Who looks first changes, and one replica is replaced in the middle of it.
            let first = look % 2;
            replicas[first].look().await;
            call_all(&mut world, &replicas, "between two looks").await;
            replicas[1 - first].look().await;
            call_all(&mut world, &replicas, "after both looked").await;
            if look == 3 * (rotation % 5) {
                let mut fresh = world.replica(SignedDuration::from_secs(7)).await;
                fresh.look().await;
                replicas[rotation % 2] = fresh;
                call_all(&mut world, &replicas, "after a restart").await;
            }
        }
        assert_ne!(
            current(&world),
            before,
            "rotation {rotation} did not happen"
        );
        assert_eq!(world.bundle(VALIDATING), world.bundle(MUTATING));
    }
    // Whatever has ended was dropped, the rest is bounded.
    assert!(
        world.authorities(VALIDATING) <= 5,
        "{}",
        world.authorities(VALIDATING)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overlap_has_the_documented_steps() {
    let (mut world, mut replicas) = started().await;
    let secret = |world: &World| world.api.object(SECRET).unwrap();
    let first = current(&world);
    assert_eq!(world.authorities(VALIDATING), 1);

    world.request_rotation("now");
    world.pass(POLL);
    replicas[0].look().await;
    replicas[1].look().await;
    assert_eq!(
        world.authorities(VALIDATING),
        2,
        "published before it is used"
    );
    assert_eq!(current(&world), first);
    assert!(secret(&world)["data"]["next.key"].is_string());
    let bundle = world.bundle(VALIDATING);

    world.request_rotation("again");
    for _ in 0..29 {
        world.pass(POLL);
        replicas[0].look().await;
        replicas[1].look().await;
        assert_eq!(current(&world), first, "the propagation time is waited for");
        assert_eq!(
            world.bundle(VALIDATING),
            bundle,
            "a second request waits for the first"
        );
    }
    world.pass(POLL * 2);
    replicas[0].look().await;
    replicas[1].look().await;
    let second = current(&world);
    assert_ne!(second, first);
    assert_eq!(
        secret(&world)["data"]["previous.crt"],
        *first,
        "and its key is gone"
    );
    call_all(&mut world, &replicas, "after the switch").await;

    assert_eq!(
        world.authorities(VALIDATING),
        3,
        "the second request begins"
    );
    for _ in 0..32 {
        world.pass(POLL);
        for replica in &mut replicas {
            replica.look().await;
        }
    }
    assert_ne!(current(&world), second);
    assert!(secret(&world)["data"]["next.crt"].is_null());
    for _ in 0..37 {
        world.pass(DAY * 10);
        for replica in &mut replicas {
            replica.look().await;
        }
        call_all(&mut world, &replicas, "while old ones end").await;
    }
    assert!(
        world.authorities(VALIDATING) <= 2,
        "what has ended is dropped"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_share_one_authority() {
    for _ in 0..10 {
        let world = World::new();
        let (mut a, mut b, mut c) = (
            world.replica(SignedDuration::ZERO).await,
            world.replica(SignedDuration::ZERO).await,
            world.replica(SignedDuration::ZERO).await,
        );
        tokio::join!(a.look(), b.look(), c.look());
        assert!(a.serving.is_ready() && b.serving.is_ready() && c.serving.is_ready());
        let mut world = world;
        for replica in [&mut a, &mut b, &mut c] {
            replica.look().await;
            assert_eq!(world.call(replica, SignedDuration::ZERO).await, Ok(()));
        }
        assert_eq!(world.authorities(VALIDATING), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_finishes_what_the_last_one_began() {
    let (mut world, mut replicas) = started().await;
    let holder = |world: &World| world.api.object(LEASE).unwrap()["spec"]["holderIdentity"].clone();
    assert_eq!(holder(&world), "replica-0");
    let first = current(&world);
    world.request_rotation("now");
    replicas[0].look().await;
    // The leader dies without a word.
    let mut survivor = replicas.remove(1);
    drop(replicas);
    for _ in 0..3 {
        world.pass(POLL);
        survivor.look().await;
        assert_eq!(holder(&world), "replica-0", "its lease still runs");
    }
    for _ in 0..40 {
        world.pass(POLL);
        survivor.look().await;
        assert_eq!(world.call(&survivor, LATE).await, Ok(()));
    }
    assert_eq!(holder(&world), "replica-1");
    assert_eq!(
        world.api.object(LEASE).unwrap()["spec"]["leaseTransitions"],
        1
    );
    assert_ne!(current(&world), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_is_caught_up_with() {
    for jump in [DAY * 400, -DAY * 400] {
        let (mut world, mut replicas) = started().await;
        world.jump(jump);
        for _ in 0..3 {
            world.pass(POLL);
            for replica in &mut replicas {
                replica.look().await;
            }
        }
        for replica in &replicas {
            let called = world.call(replica, SignedDuration::ZERO).await;
            assert_eq!(called, Ok(()), "after a jump of {jump:?}");
        }
        // And back again.
        world.jump(-jump);
        for _ in 0..3 {
            world.pass(POLL);
            for replica in &mut replicas {
                replica.look().await;
            }
        }
        for replica in &replicas {
            let called = world.call(replica, SignedDuration::ZERO).await;
            assert_eq!(called, Ok(()), "after the jump back");
        }
    }
}
