//! What was found, since when, and what has been said about it.

use super::event::Remark;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// After this time what is still wrong is said again: Events last an hour by default.
pub(super) const REPEAT: SignedDuration = SignedDuration::from_mins(30);

/// A text that changes while the finding stays is said again no sooner than this.
const REWORD: SignedDuration = SignedDuration::from_mins(10);

/// One finding of a pass, as far as the ledger is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Tells findings apart, and survives edits elsewhere in the object.
    pub(super) fingerprint: String,
    /// The rule, or whatever else found it.
    pub(super) code: &'static str,
    /// Where its Event goes.
    pub(super) namespace: String,
    /// Tells wordings apart.
    pub(super) wording: u64,
    /// How long it may take to go away by itself.
    pub(super) grace: SignedDuration,
    /// What is worse comes first.
    pub(super) weight: u8,
}

impl Found {
    /// A configuration that cannot be used, which nothing explains and nothing else puts right.
    pub(super) fn of_configuration(remark: &Remark) -> Self {
        Self {
            fingerprint: remark.fingerprint.clone(),
            code: remark.reason,
            namespace: remark.namespace().to_owned(),
            wording: remark.wording,
            grace: SignedDuration::ZERO,
            weight: u8::MAX,
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    code: &'static str,
    first: Timestamp,
    said: Option<Said>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    at: Timestamp,
    wording: u64,
}

/// Findings by fingerprint.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<String, Entry>,
}

/// What a pass leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agenda {
    /// What to say now, as positions among the findings, most urgent first.
    pub(super) say: Vec<usize>,
    /// When there will be more to say, if nothing changes.
    pub(super) next: Option<Timestamp>,
}

impl Ledger {
    /// Takes in all findings of a pass. What is not among them any more is forgotten: should it come back, it is new. But
    /// what cannot be seen is not gone: what rules found that were not asked this time stays as it is.
    pub(super) fn pass(
        &mut self,
        found: &[Found],
        unasked: &BTreeSet<&'static str>,
        now: Timestamp,
    ) -> Agenda {
        let mut entries = BTreeMap::new();
        for finding in found {
            let known = self.entries.remove(&finding.fingerprint);
            let entry = known.unwrap_or(Entry {
                code: finding.code,
                first: now,
                said: None,
            });
            entries.insert(finding.fingerprint.clone(), entry);
        }
        self.entries.retain(|_, entry| unasked.contains(entry.code));
        self.entries.append(&mut entries);
        self.agenda(found, now)
    }

    /// What there is to say about the findings of the last pass.
    pub(super) fn agenda(&self, found: &[Found], now: Timestamp) -> Agenda {
        let mut say: Vec<usize> = Vec::new();
        let mut next: Option<Timestamp> = None;
        for (position, finding) in found.iter().enumerate() {
            match self.due(finding) {
                Some(due) if due <= now => say.push(position),
                Some(due) => next = Some(next.map_or(due, |next| next.min(due))),
                None => {}
            }
        }
        self.sort(&mut say, found);
        Agenda { say, next }
    }

    fn due(&self, finding: &Found) -> Option<Timestamp> {
        let entry = self.entries.get(&finding.fingerprint)?;
        let (since, wait) = match entry.said {
            None => (entry.first, finding.grace),
            Some(said) if said.wording != finding.wording => (said.at, REWORD),
            Some(said) => (said.at, REPEAT),
        };
        since.saturating_add(wait).ok()
    }

    /// News before repetitions, the first of every namespace before the second of any: one namespace full of mistakes must
    /// not keep all others waiting.
    fn sort(&self, say: &mut [usize], found: &[Found]) {
        let said = |position: usize| {
            let entry = self.entries.get(&found[position].fingerprint);
            entry.and_then(|entry| Some(entry.said?.at))
        };
        say.sort_by_key(|at| (said(*at), u8::MAX - found[*at].weight, *at));
        let mut ranks: HashMap<(&str, bool), usize> = HashMap::new();
        let ranks: HashMap<usize, usize> = say
            .iter()
            .map(|at| {
                let rank = ranks
                    .entry((&found[*at].namespace, said(*at).is_some()))
                    .or_default();
                *rank += 1;
                (*at, *rank)
            })
            .collect();
        say.sort_by_key(|at| (said(*at).is_some(), ranks[at]));
    }

    /// It was said, now or (as an Event that is still there shows) at some earlier time.
    pub(super) fn said(&mut self, finding: &Found, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&finding.fingerprint) {
            let wording = finding.wording;
            entry.said = Some(Said { at, wording });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configmap::Place;

    const ALL_ASKED: BTreeSet<&str> = BTreeSet::new();

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn found(fingerprint: &str, grace: i64) -> Found {
        Found {
            fingerprint: fingerprint.to_owned(),
            code: "SVC004",
            namespace: "shop".to_owned(),
            wording: 1,
            grace: SignedDuration::from_secs(grace),
            weight: 1,
        }
    }

    fn agenda(say: &[usize], next: Option<i64>) -> Agenda {
        Agenda {
            say: say.to_vec(),
            next: next.map(at),
        }
    }

    #[test]
    fn what_may_go_away_by_itself_gets_its_time() {
        let mut ledger = Ledger::default();
        let findings = [found("certain", 0), found("missing", 60)];
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(0)),
            agenda(&[0], Some(60))
        );
        ledger.said(&findings[0], at(0));
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(59)),
            agenda(&[], Some(60))
        );
        assert_eq!(ledger.pass(&findings, &ALL_ASKED, at(60)).say, [1]);
    }

    #[test]
    fn what_was_put_right_in_time_is_never_said_and_begins_anew() {
        let mut ledger = Ledger::default();
        let findings = [found("missing", 60)];
        ledger.pass(&findings, &ALL_ASKED, at(0));
        ledger.pass(&[], &ALL_ASKED, at(30));
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(70)),
            agenda(&[], Some(130))
        );
    }

    #[test]
    fn what_stays_wrong_is_said_again_but_seldom() {
        let mut ledger = Ledger::default();
        let mut findings = [found("x", 0)];
        ledger.pass(&findings, &ALL_ASKED, at(0));
        ledger.said(&findings[0], at(0));
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(1_799)),
            agenda(&[], Some(1_800))
        );
        assert_eq!(ledger.pass(&findings, &ALL_ASKED, at(1_800)).say, [0]);
        ledger.said(&findings[0], at(1_800));
        findings[0].wording = 2;
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(1_801)),
            agenda(&[], Some(2_400))
        );
        assert_eq!(ledger.pass(&findings, &ALL_ASKED, at(2_400)).say, [0]);
    }

    /// The pass at some time, in which the configuration is refused with these words; the Event that it leads to.
    fn refused(ledger: &mut Ledger, seconds: i64, message: &str) -> Option<String> {
        let place = Place {
            namespace: "netdoctor".to_owned(),
            name: "netdoctor-config".to_owned(),
        };
        let remark = Remark::of_configuration(&place, "u-1", message);
        let findings = [Found::of_configuration(&remark)];
        let due = ledger.pass(&findings, &ALL_ASKED, at(seconds)).say == [0];
        if due {
            ledger.said(&findings[0], at(seconds));
        }
        due.then(|| remark.name())
    }

    #[test]
    fn the_next_mistake_in_the_configuration_is_said_in_the_next_pass() {
        let mut ledger = Ledger::default();
        let (one, other) = ("line 1, column 10: `bad1`", "line 3, column 1: `profil`");
        let first = refused(&mut ledger, 0, one);
        assert!(first.is_some());
        assert_eq!(refused(&mut ledger, 10, one), None);
        let second = refused(&mut ledger, 20, other);
        assert!(second.is_some() && second != first, "{second:?}");
        assert_eq!(refused(&mut ledger, 30, other), None);
        // The first one once more: its Event is still there, and is found by its name.
        assert_eq!(refused(&mut ledger, 40, one), first);
        assert_eq!(refused(&mut ledger, 40 + 1_799, one), None);
        assert_eq!(refused(&mut ledger, 40 + 1_800, one), first);
    }

    #[test]
    fn what_an_earlier_process_said_counts() {
        let mut ledger = Ledger::default();
        let findings = [found("x", 0)];
        ledger.pass(&findings, &ALL_ASKED, at(0));
        ledger.said(&findings[0], at(-1_000));
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(1)),
            agenda(&[], Some(800))
        );
    }

    #[test]
    fn every_namespace_has_its_turn_and_news_come_first() {
        let in_namespace = |fingerprint: &str, namespace: &str, weight| Found {
            namespace: namespace.to_owned(),
            weight,
            ..found(fingerprint, 0)
        };
        let findings = [
            in_namespace("a1", "a", 1),
            in_namespace("a2", "a", 2),
            in_namespace("a3", "a", 1),
            in_namespace("b1", "b", 1),
            in_namespace("old", "c", 2),
        ];
        let mut ledger = Ledger::default();
        ledger.pass(&findings, &ALL_ASKED, at(0));
        ledger.said(&findings[4], at(0));
        assert_eq!(
            ledger.pass(&findings, &ALL_ASKED, at(1_800)).say,
            [1, 3, 0, 2, 4]
        );
    }

    #[test]
    fn what_cannot_be_seen_is_not_gone() {
        let gone = [];
        let unasked = BTreeSet::from(["SVC004"]);
        let seen = [found("a", 60)];
        let mut ledger = Ledger::default();
        ledger.pass(&seen, &ALL_ASKED, at(0));
        assert_eq!(ledger.pass(&gone, &unasked, at(100)), agenda(&[], None));
        assert_eq!(
            ledger.pass(&seen, &ALL_ASKED, at(110)),
            agenda(&[0], None),
            "it has been there since the beginning"
        );
        ledger.said(&seen[0], at(110));
        ledger.pass(&gone, &unasked, at(120));
        let back = ledger.pass(&seen, &ALL_ASKED, at(130));
        assert_eq!(back, agenda(&[], Some(110 + 1_800)), "it was said");
        ledger.pass(&gone, &ALL_ASKED, at(140));
        let new = ledger.pass(&seen, &ALL_ASKED, at(150));
        assert_eq!(new, agenda(&[], Some(210)), "it was gone, and is new");
    }
}
