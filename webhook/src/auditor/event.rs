//! A finding as an Event on its object.

use crate::configmap::{KEY, Place};
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use netdoctor_engine::{
    finding::Finding,
    model::{Kind, ObjectRef},
};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Who reports.
pub const CONTROLLER: &str = "netdoctor.io/auditor";

/// Longest note that the API server takes.
const LONGEST_NOTE: usize = 1_024;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// Something to say about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) object: ObjectRef,
    pub(super) uid: String,
    /// For machines: the code of a rule.
    pub(super) reason: &'static str,
    pub(super) note: String,
    /// Tells wordings apart. What is suggested is no part of it: that depends on what else there is, and changes often.
    pub(super) wording: u64,
    /// Tells what is said about this object apart.
    pub(super) fingerprint: String,
}

impl Remark {
    /// A finding in one note: what is wrong, what to do, and where to read more.
    pub(super) fn of(finding: &Finding, uid: &str) -> Self {
        let fix = finding.fixes.first();
        let fix = fix
            .map(|fix| format!(" Fix: {}.", fix.title))
            .unwrap_or_default();
        let code = finding.rule.code;
        let rest = format!("{fix} More: kubectl netdoctor explain {code}");
        Self {
            object: finding.subject.clone(),
            uid: uid.to_owned(),
            reason: code,
            note: note(&format!("{}.", finding.message), &rest),
            wording: wording(&finding.message),
            fingerprint: finding.fingerprint.clone(),
        }
    }

    /// A configuration that cannot be used. Each mistake is one of its own: whoever mends one has to hear of the next at
    /// once. Only the mistake of the moment is looked at, so that there is one Event per pass, however fast somebody edits.
    pub(super) fn of_configuration(place: &Place, uid: &str, message: &str) -> Self {
        let wording = wording(message);
        Self {
            object: ObjectRef::wanted(Kind::ConfigMap, &place.namespace, &place.name),
            uid: uid.to_owned(),
            reason: "ConfigurationRefused",
            note: note(
                &format!("{KEY}: {message}."),
                " The last good configuration stays in use.",
            ),
            wording,
            fingerprint: format!("configuration-{wording:016x}"),
        }
    }

    /// The namespace of its Event: that of the object, or `default` where that has none.
    pub(super) fn namespace(&self) -> &str {
        match &*self.object.namespace {
            "" => "default",
            namespace => namespace,
        }
    }

    /// The same for the same remark, whoever makes it: what is there already is not said twice.
    pub(super) fn name(&self) -> String {
        let end = format!(".{}.{:08x}", self.fingerprint, self.wording >> 32);
        let mut name = &*self.object.name;
        while name.len() + end.len() > LONGEST_NAME || name.ends_with(['.', '-']) {
            name = &name[..name.len() - 1];
        }
        format!("{name}{end}")
    }

    /// The Event.
    pub(super) fn event(&self, instance: &str, now: Timestamp) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(self.name()),
                namespace: Some(self.namespace().to_owned()),
                ..ObjectMeta::default()
            },
            action: Some("Audit".to_owned()),
            reason: Some(self.reason.to_owned()),
            note: Some(self.note.clone()),
            type_: Some("Warning".to_owned()),
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(instance.chars().take(128).collect()),
            regarding: Some(ObjectReference {
                api_version: Some(self.object.api_version.to_string()),
                kind: Some(self.object.kind.to_string()),
                name: Some(self.object.name.to_string()),
                namespace: (!self.object.namespace.is_empty())
                    .then(|| self.object.namespace.to_string()),
                uid: Some(self.uid.clone()).filter(|uid| !uid.is_empty()),
                ..ObjectReference::default()
            }),
            ..Event::default()
        }
    }
}

/// The same for the same text, in every process.
pub(super) fn wording(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Both parts, the first one cut where together they are too long. One line, without control characters: objects choose
/// what is in it, terminals show it.
pub(super) fn note(text: &str, rest: &str) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    let (mut text, mut rest) = (clean(text), clean(rest));
    truncate(&mut rest, LONGEST_NOTE / 2);
    truncate(&mut text, LONGEST_NOTE - rest.len());
    text + &rest
}

fn truncate(text: &mut String, longest: usize) {
    if text.len() <= longest {
        return;
    }
    let mark = "...";
    let mut end = longest - mark.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(mark);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(name: &str, note: &str) -> Remark {
        Remark {
            object: ObjectRef::wanted(Kind::Service, "shop", name),
            uid: "u-1".to_owned(),
            reason: "SVC004",
            note: note.to_owned(),
            wording: wording(note),
            fingerprint: "0123456789abcdef".to_owned(),
        }
    }

    #[test]
    fn the_same_remark_has_the_same_name_and_another_wording_another_one() {
        let one = remark("web", "a");
        assert_eq!(one.name(), remark("web", "a").name());
        assert_ne!(one.name(), remark("web", "b").name());
        assert!(
            one.name().starts_with("web.0123456789abcdef."),
            "{}",
            one.name()
        );
    }

    #[test]
    fn a_name_is_one_however_long_that_of_the_object_is() {
        let long = format!("{}.x", "a".repeat(251));
        for name in [&*long, &"a-".repeat(126), "a"] {
            let name = remark(name, "a").name();
            assert!(name.len() <= LONGEST_NAME);
            assert!(!name.contains("-.") && !name.contains(".."), "{name}");
        }
    }

    #[test]
    fn an_event_names_its_object_and_its_reporter() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let event = remark("web", "port `htpp` is not declared").event("pod-1", now);
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["regarding"]["kind"], "Service");
        assert_eq!(json["regarding"]["uid"], "u-1");
        assert_eq!(json["regarding"]["apiVersion"], "v1");
        assert_eq!(json["reportingController"], CONTROLLER);
        assert_eq!(json["reason"], "SVC004");
        assert_eq!(json["type"], "Warning");
        let mut cluster = remark("nginx", "a");
        cluster.object = ObjectRef::wanted(Kind::IngressClass, "", "nginx");
        let event = cluster.event("pod-1", now);
        assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
        assert_eq!(event.regarding.unwrap().namespace, None);
    }

    #[test]
    fn a_note_fits_and_holds_no_control_characters() {
        assert_eq!(note("a\u{1b}[31m\nb.", " Fix: c."), "a [31m b. Fix: c.");
        let long = note(
            &"ä".repeat(2_000),
            " More: kubectl netdoctor explain SVC004",
        );
        assert!(long.len() <= LONGEST_NOTE);
        assert!(long.ends_with("... More: kubectl netdoctor explain SVC004"));
        assert!(note("a", &"b".repeat(5_000)).len() <= LONGEST_NOTE);
    }
}
