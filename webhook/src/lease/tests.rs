use super::*;
use jiff::{SignedDuration, Timestamp};

const LASTS: Duration = Duration::from_secs(30);

/// A clock whose two hands are moved by hand.
#[derive(Clone, Copy)]
struct Hands(Reading);

impl Hands {
    fn new() -> Self {
        Self(Reading {
            wall: "2026-11-28T08:00:00Z".parse().unwrap(),
            running: Duration::from_secs(1_000),
        })
    }
    fn pass(&mut self, seconds: u64) -> Reading {
        self.0.running += Duration::from_secs(seconds);
        self.jump(i64::try_from(seconds).unwrap())
    }
    fn jump(&mut self, seconds: i64) -> Reading {
        self.0.wall += SignedDuration::from_secs(seconds);
        self.0
    }
}

fn election(name: &str) -> Election {
    Election::new(name.to_owned(), LASTS)
}

fn held_by(holder: &str, version: &str) -> Record {
    Record {
        holder: holder.to_owned(),
        duration: LASTS,
        version: version.to_owned(),
    }
}

#[test]
fn the_first_one_makes_the_lease_and_keeps_it() {
    let mut clock = Hands::new();
    let mut a = election("a");
    assert_eq!(a.decide(None, clock.0), Move::Create);
    assert!(!a.leads(clock.0), "not before it is written");
    a.holds(clock.0);
    assert!(a.leads(clock.0));
    assert!(a.leads(clock.pass(19)));
    assert!(
        !a.leads(clock.pass(1)),
        "two thirds of its duration without renewal"
    );
    assert_eq!(a.decide(Some(&held_by("a", "1")), clock.0), Move::Renew);
    a.holds(clock.0);
    assert!(a.leads(clock.pass(10)));
}

#[test]
fn a_lease_is_taken_over_only_after_it_was_seen_unchanged_for_its_duration() {
    let mut clock = Hands::new();
    let mut b = election("b");
    // However old the times in it are: the first look begins the wait.
    assert_eq!(b.decide(Some(&held_by("a", "1")), clock.0), Move::Follow);
    assert_eq!(
        b.decide(Some(&held_by("a", "1")), clock.pass(29)),
        Move::Follow
    );
    assert_eq!(
        b.decide(Some(&held_by("a", "2")), clock.pass(1)),
        Move::Follow,
        "renewed"
    );
    assert_eq!(
        b.decide(Some(&held_by("a", "2")), clock.pass(29)),
        Move::Follow
    );
    assert_eq!(
        b.decide(Some(&held_by("a", "2")), clock.pass(1)),
        Move::Take
    );
    // c was faster, and b begins to wait anew.
    b.lost();
    assert_eq!(b.decide(Some(&held_by("c", "3")), clock.0), Move::Follow);
    assert!(!b.leads(clock.0));
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let clock = Hands::new();
    let mut b = election("b");
    assert_eq!(b.decide(Some(&held_by("a", "1")), clock.0), Move::Follow);
    assert_eq!(b.decide(Some(&held_by("", "2")), clock.0), Move::Take);
}

#[test]
fn a_wall_clock_that_jumps_takes_nothing_over() {
    let mut clock = Hands::new();
    let mut b = election("b");
    let lease = held_by("a", "1");
    assert_eq!(b.decide(Some(&lease), clock.0), Move::Follow);
    assert_eq!(b.decide(Some(&lease), clock.jump(1_000_000)), Move::Follow);
    assert_eq!(b.decide(Some(&lease), clock.jump(-2_000_000)), Move::Follow);
    assert_eq!(b.decide(Some(&lease), clock.pass(30)), Move::Take);
}

#[test]
fn whoever_slept_does_not_believe_that_it_leads() {
    let mut clock = Hands::new();
    let mut a = election("a");
    a.holds(clock.0);
    // Asleep: only the wall clock went on.
    assert!(!a.leads(clock.jump(60)));
    a.holds(clock.0);
    // A wall clock that was set back does not lengthen anything.
    clock.jump(-3_600);
    assert!(a.leads(clock.pass(19)));
    assert!(!a.leads(clock.pass(1)));
}

#[test]
fn skewed_clocks_never_give_two_leaders() {
    // b's clocks run apart from a's by years; only how long something lasts is compared.
    let mut a_clock = Hands::new();
    let mut b_clock = Hands(Reading {
        wall: Timestamp::from_second(0).unwrap(),
        running: Duration::ZERO,
    });
    let (mut a, mut b) = (election("a"), election("b"));
    a.holds(a_clock.0);
    let mut version = 1;
    let mut last_renewal = 0;
    for second in 0..200_u64 {
        let (a_now, b_now) = (a_clock.pass(1), b_clock.pass(1));
        // a renews every ten seconds, until its network breaks at 95.
        if second % 10 == 0 && second < 95 {
            a.holds(a_now);
            version += 1;
            last_renewal = second;
        }
        let lease = held_by("a", &version.to_string());
        if second % 7 == 0 && b.decide(Some(&lease), b_now) == Move::Take {
            assert!(!a.leads(a_now), "two leaders at {second}");
            assert!(second >= last_renewal + 30);
            return;
        }
    }
    panic!("b never takes over");
}

#[test]
fn nonsense_in_a_lease_is_bounded() {
    let mut clock = Hands::new();
    for (seconds, patience) in [(0, 1), (1_000_000, 300)] {
        let mut b = election("b");
        let lease = Record {
            duration: Duration::from_secs(seconds),
            ..held_by("a", "1")
        };
        assert_eq!(b.decide(Some(&lease), clock.0), Move::Follow);
        assert_eq!(b.decide(Some(&lease), clock.pass(patience)), Move::Take);
    }
}
