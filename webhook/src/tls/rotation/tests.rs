use super::*;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A certificate that is valid from one moment to another, with a serial of its own.
fn certificate(serial: &str, from: i64, until: i64) -> CertificateFacts {
    CertificateFacts {
        not_before: at(from),
        not_after: at(until),
        is_ca: true,
        serial: serial.to_owned(),
        public_key: serial.as_bytes().to_vec(),
    }
}

/// Nothing at all.
fn nothing<'a>() -> Seen<'a> {
    Seen {
        current: None,
        next: None,
        previous_end: None,
        published: None,
        requested: false,
        bundle: Bundle::Right,
    }
}

fn step(seen: &Seen<'_>, now: i64) -> Step {
    next_step(seen, at(now), &Timing::default())
}

#[test]
fn without_an_authority_one_is_made() {
    assert_eq!(step(&nothing(), 0), Step::Replace);
    let wrong = Seen {
        bundle: Bundle::Wrong,
        requested: true,
        ..nothing()
    };
    assert_eq!(
        step(&wrong, 0),
        Step::Replace,
        "there is nothing to publish"
    );
    let next = certificate("b", 0, 365 * DAY);
    let broken = Seen {
        next: Some(&next),
        ..nothing()
    };
    assert_eq!(
        step(&broken, 10),
        Step::Promote,
        "callers may trust it already"
    );
    assert_eq!(step(&broken, 366 * DAY), Step::Replace);
}

#[test]
fn a_quiet_year() {
    let a = certificate("a", 0, 300 * DAY);
    let seen = Seen {
        current: Some(&a),
        ..nothing()
    };
    assert_eq!(step(&seen, 0), Step::Wait(at(200 * DAY)));
    assert_eq!(step(&seen, 200 * DAY - 1), Step::Wait(at(200 * DAY)));
    assert_eq!(step(&seen, 200 * DAY), Step::Begin(Why::Due));
    let soon = Seen {
        previous_end: Some(at(20 * DAY)),
        ..seen
    };
    assert_eq!(step(&soon, 0), Step::Wait(at(20 * DAY)));
    assert_eq!(
        step(&soon, 20 * DAY),
        Step::Wait(at(20 * DAY)),
        "it is still valid"
    );
    assert_eq!(step(&soon, 20 * DAY + 1), Step::Forget);
}

#[test]
fn nothing_goes_on_before_the_configurations_are_right() {
    let (a, b) = (
        certificate("a", 0, 300 * DAY),
        certificate("b", 0, 300 * DAY),
    );
    let wrong = Seen {
        current: Some(&a),
        bundle: Bundle::Wrong,
        ..nothing()
    };
    for now in [0, 200 * DAY, 400 * DAY] {
        assert_eq!(step(&wrong, now), Step::Publish);
        let next = Seen {
            next: Some(&b),
            published: Some(at(0)),
            ..wrong
        };
        assert_eq!(step(&next, now), Step::Publish);
    }
}

#[test]
fn the_next_authority_waits_for_the_propagation_time() {
    let (a, b) = (
        certificate("a", 0, 300 * DAY),
        certificate("b", 200 * DAY, 500 * DAY),
    );
    let begun = 200 * DAY + 10;
    let seen = Seen {
        current: Some(&a),
        next: Some(&b),
        ..nothing()
    };
    assert_eq!(step(&seen, begun), Step::Confirm);
    let confirmed = Seen {
        published: Some(at(begun)),
        ..seen
    };
    assert_eq!(step(&confirmed, begun), Step::Wait(at(begun + 300)));
    assert_eq!(step(&confirmed, begun + 299), Step::Wait(at(begun + 300)));
    assert_eq!(step(&confirmed, begun + 300), Step::Promote);
}

#[test]
fn a_second_rotation_waits_for_the_first() {
    let (a, b) = (
        certificate("a", 0, 300 * DAY),
        certificate("b", 0, 300 * DAY),
    );
    let asked = Seen {
        current: Some(&a),
        requested: true,
        ..nothing()
    };
    assert_eq!(step(&asked, 10), Step::Begin(Why::Requested));
    let under_way = Seen {
        next: Some(&b),
        published: Some(at(20)),
        ..asked
    };
    assert_eq!(step(&under_way, 30), Step::Wait(at(320)));
    assert_eq!(step(&under_way, 320), Step::Promote);
}

#[test]
fn a_jump_forwards_replaces_what_has_ended_without_waiting() {
    let (a, b) = (
        certificate("a", 0, 300 * DAY),
        certificate("b", 400 * DAY, 700 * DAY),
    );
    let seen = Seen {
        current: Some(&a),
        ..nothing()
    };
    assert_eq!(step(&seen, 400 * DAY), Step::Begin(Why::Invalid));
    let next = Seen {
        next: Some(&b),
        ..seen
    };
    assert_eq!(step(&next, 400 * DAY), Step::Confirm);
    let confirmed = Seen {
        published: Some(at(400 * DAY)),
        ..next
    };
    assert_eq!(step(&confirmed, 400 * DAY), Step::Promote);
    // And beyond the end of a next authority that was never used.
    assert_eq!(step(&confirmed, 800 * DAY), Step::Begin(Why::Due));
}

#[test]
fn a_jump_backwards_is_survived() {
    // Made by a clock that was a year ahead, and is right again.
    let a = certificate("a", 365 * DAY, 730 * DAY);
    let seen = Seen {
        current: Some(&a),
        ..nothing()
    };
    assert_eq!(step(&seen, 0), Step::Begin(Why::Invalid));
    let b = certificate("b", -3_600, 365 * DAY);
    let next = Seen {
        next: Some(&b),
        ..seen
    };
    // The confirmation of the other time does not count.
    let from_the_future = Seen {
        published: Some(at(365 * DAY)),
        ..next
    };
    assert_eq!(step(&from_the_future, 0), Step::Confirm);
    let confirmed = Seen {
        published: Some(at(0)),
        ..next
    };
    assert_eq!(step(&confirmed, 0), Step::Promote);
    // With a good current authority a next one from the future is waited for.
    let good = certificate("c", -DAY, 300 * DAY);
    let ahead = Seen {
        current: Some(&good),
        next: Some(&a),
        published: Some(at(0)),
        ..nothing()
    };
    assert_eq!(step(&ahead, DAY), Step::Wait(at(365 * DAY)));
}

/// Walks through the steps as the leader does, from any beginning and with any jumps of the clock.
struct World {
    now: i64,
    made: i64,
    current: Option<CertificateFacts>,
    next: Option<CertificateFacts>,
    previous: Vec<CertificateFacts>,
    published: Option<i64>,
    requested: bool,
    bundle: Vec<CertificateFacts>,
}

impl World {
    fn empty() -> Self {
        Self {
            now: 0,
            made: 0,
            current: None,
            next: None,
            previous: Vec::new(),
            published: None,
            requested: false,
            bundle: Vec::new(),
        }
    }

    fn wanted(&self) -> Vec<CertificateFacts> {
        let ahead = self.next.iter().chain(&self.current);
        ahead.chain(&self.previous).cloned().collect()
    }

    fn step(&self) -> Step {
        let seen = Seen {
            current: self.current.as_ref(),
            next: self.next.as_ref(),
            previous_end: self.previous.iter().map(|old| old.not_after).min(),
            published: self.published.map(at),
            requested: self.requested,
            bundle: if self.bundle == self.wanted() {
                Bundle::Right
            } else {
                Bundle::Wrong
            },
        };
        step(&seen, self.now)
    }

    fn make(&mut self) -> CertificateFacts {
        self.made += 1;
        certificate(
            &self.made.to_string(),
            self.now - 3_600,
            self.now + 365 * DAY,
        )
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Replace => {
                (self.current, self.next, self.published) = (Some(self.make()), None, None);
            }
            Step::Begin(_) => {
                (self.next, self.published, self.requested) = (Some(self.make()), None, false);
            }
            Step::Publish => self.bundle = self.wanted(),
            Step::Confirm => self.published = Some(self.now),
            Step::Promote => {
                self.previous.extend(self.current.take());
                (self.current, self.published) = (self.next.take(), None);
            }
            Step::Forget => {
                let now = at(self.now);
                self.previous.retain(|old| old.not_after >= now);
            }
            Step::Wait(_) => {}
        }
    }

    /// Takes steps until there is nothing to do; says how many that took.
    fn settle(&mut self) -> usize {
        for taken in 0..12 {
            let step = self.step();
            if let Step::Wait(_) = step {
                return taken;
            }
            self.take(step);
        }
        panic!("it never comes to rest: {:?}", self.step());
    }
}

proptest::proptest! {
    /// However the clock jumps, the steps come to rest, and then callers trust what is served.
    #[test]
    fn it_always_comes_to_rest(moves in proptest::collection::vec((-800_i64 * DAY..800 * DAY, proptest::bool::ANY), 1..20)) {
        let mut world = World::empty();
        for (jump, request) in moves {
            world.now = (world.now + jump).clamp(-10_000 * DAY, 10_000 * DAY);
            world.requested |= request;
            world.settle();
            world.now += 301;
            world.settle();
            let current = world.current.clone().unwrap();
            proptest::prop_assert!(world.bundle.contains(&current));
            proptest::prop_assert!(current.is_valid(at(world.now)), "{current:?} at {}", world.now);
        }
    }

    /// While the clock runs as it should, no leaf is ever used before everybody has trusted its authority for long enough.
    #[test]
    fn nobody_is_surprised(pauses in proptest::collection::vec((1_i64..120 * DAY, proptest::bool::ANY), 1..40)) {
        let mut world = World::empty();
        world.settle();
        let mut trusted_since = vec![(world.current.clone().unwrap(), i64::MIN)];
        for (pause, request) in pauses {
            world.now += pause;
            world.requested |= request;
            for _ in 0..20 {
                let step = world.step();
                world.take(step);
                if step == Step::Publish {
                    for certificate in &world.bundle {
                        if !trusted_since.iter().any(|(known, _)| known == certificate) {
                            trusted_since.push((certificate.clone(), world.now));
                        }
                    }
                }
                if step == Step::Promote {
                    let current = world.current.as_ref().unwrap();
                    let since = trusted_since.iter().find(|(known, _)| known == current).unwrap().1;
                    proptest::prop_assert!(world.now >= since + 300);
                }
            }
        }
    }
}

fn leaf(authority: &CertificateFacts, from: i64, until: i64) -> Leaf {
    Leaf {
        facts: CertificateFacts {
            is_ca: false,
            ..certificate("leaf", from, until)
        },
        authority: authority.clone(),
    }
}

fn due(leaf: Option<&Leaf>, authority: &CertificateFacts, now: i64) -> bool {
    leaf_is_due(leaf, authority, at(now), &Timing::default())
}

#[test]
fn a_leaf_is_renewed_at_two_thirds_of_its_life_and_when_the_authority_changes() {
    let (a, b) = (
        certificate("a", 0, 365 * DAY),
        certificate("b", 0, 365 * DAY),
    );
    assert!(due(None, &a, 0));
    let leaf = leaf(&a, 0, 90 * DAY);
    assert!(!due(Some(&leaf), &a, 60 * DAY - 1));
    assert!(due(Some(&leaf), &a, 60 * DAY));
    assert!(due(Some(&leaf), &b, 1));
}

#[test]
fn a_leaf_near_the_end_of_its_authority_is_not_signed_again_and_again() {
    let a = certificate("a", 0, 365 * DAY);
    let last = leaf(&a, 300 * DAY, 365 * DAY);
    assert!(!due(Some(&last), &a, 360 * DAY));
    assert!(
        !due(Some(&last), &a, 400 * DAY),
        "a new one would be no more valid"
    );
}

#[test]
fn a_leaf_that_is_valid_is_better_than_one_of_an_authority_that_is_not() {
    let a = certificate("a", 0, 365 * DAY);
    let future = certificate("b", 500 * DAY, 900 * DAY);
    let good = leaf(&a, 0, 90 * DAY);
    assert!(!due(Some(&good), &future, 10));
    assert!(due(Some(&good), &future, 100 * DAY), "now neither is");
    assert!(due(None, &future, 10), "something is better than nothing");
    // A leaf from the time of a wrong clock.
    let early = leaf(&a, 200 * DAY, 290 * DAY);
    assert!(due(Some(&early), &a, 10));
}
