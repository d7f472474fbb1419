//! What a rule says: one fact about one object, with evidence, places and fixes.

use crate::{
    model::{Kind, ObjectRef, Text},
    rule::{Actions, Confidence, Rule, Severity},
};
use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
};
use serde_json::Value;

/// Whether a fix may be applied without a question (catalogue §1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FixClass {
    /// One candidate that restores what the object contradicts; closes or opens nothing for others.
    Safe,
    /// Right if the evident intention is the real one.
    Review,
    /// For people only.
    Manual,
}

impl FixClass {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Review => "review",
            Self::Manual => "manual",
        }
    }
}

/// A way to clear a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// Who may apply it.
    pub class: FixClass,
    /// What it does, in the imperative, without the object's name.
    pub title: String,
    /// The object that the patch changes.
    pub object: Option<ObjectRef>,
    /// JSON patch, beginning with `test` operations; empty for manual fixes.
    pub patch: Patch,
    /// A command with real names filled in.
    pub command: Option<String>,
    /// The mutating webhook may apply it where a namespace asked for that.
    pub mutating: bool,
}

impl Fix {
    /// A text for people.
    pub fn manual(title: impl Into<String>) -> Self {
        Self {
            class: FixClass::Manual,
            title: title.into(),
            object: None,
            patch: Patch::default(),
            command: None,
            mutating: false,
        }
    }

    /// A patch of one object; add operations with [`Fix::test`], [`Fix::replace`], [`Fix::add`], [`Fix::remove`].
    pub fn patch(class: FixClass, title: impl Into<String>, object: ObjectRef) -> Self {
        Self {
            class,
            object: Some(object),
            ..Self::manual(title)
        }
    }

    /// The command that does the same, or that comes closest.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// The mutating webhook may apply it.
    #[must_use]
    pub fn mutating(mut self) -> Self {
        self.mutating = true;
        self
    }

    /// The value that must still be there, so that a stale suggestion fails instead of corrupting.
    #[must_use]
    pub fn test(self, pointer: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.operation(pointer, |path| {
            PatchOperation::Test(TestOperation { path, value })
        })
    }

    /// Replaces a value that exists.
    #[must_use]
    pub fn replace(self, pointer: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.operation(pointer, |path| {
            PatchOperation::Replace(ReplaceOperation { path, value })
        })
    }

    /// Adds a value, or replaces one.
    #[must_use]
    pub fn add(self, pointer: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.operation(pointer, |path| {
            PatchOperation::Add(AddOperation { path, value })
        })
    }

    /// Removes a value.
    #[must_use]
    pub fn remove(self, pointer: &str) -> Self {
        self.operation(pointer, |path| {
            PatchOperation::Remove(RemoveOperation { path })
        })
    }

    fn operation(mut self, pointer: &str, make: impl FnOnce(PointerBuf) -> PatchOperation) -> Self {
        // Pointers come from `path!` and `pointer::join`, which always build valid ones.
        if let Ok(path) = PointerBuf::parse(pointer.to_owned()) {
            self.patch.0.push(make(path));
        }
        self
    }
}

/// A place in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The object.
    pub object: ObjectRef,
    /// JSON pointer into it.
    pub pointer: String,
    /// What the place shows; may be empty on the main label.
    pub text: String,
}

/// Something whose absence or content a finding depends on, to be read again before it is reported live.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// One object.
    Object(Kind, Text, Text),
    /// All objects of a kind in a namespace, or of the whole cluster where the namespace is empty.
    All(Kind, Text),
}

/// Another finding that would explain this one: any of `codes` about `subject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// Codes, most telling first.
    pub codes: &'static [&'static str],
    /// What the other finding is about.
    pub subject: ObjectRef,
}

/// What a rule says about one subject.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Named case of the rule.
    pub case: Option<&'static str>,
    /// How bad, after guards and configuration.
    pub severity: Severity,
    /// How sure, after guards.
    pub confidence: Confidence,
    /// What it is about.
    pub subject: ObjectRef,
    /// Stable key inside the subject: a port name, a host and path. Never an index.
    pub key: String,
    /// One fact: lower case, no period, stands alone, without the remedy.
    pub message: String,
    /// Evidence and consequences, one fact each.
    pub notes: Vec<String>,
    /// Places; the first is the main one.
    pub labels: Vec<Label>,
    /// Fixes, best first.
    pub fixes: Vec<Fix>,
    /// What would explain it.
    pub because: Vec<Because>,
    /// What the replicas of one workload have in common. Where nothing else explains them, the first speaks for all.
    pub shared: Option<(ObjectRef, String)>,
    /// What to read again before it is reported live.
    pub lookups: Vec<Lookup>,
    /// What the webhook does with it; `None` elsewhere.
    pub actions: Option<Actions>,
    /// Fingerprint of the finding that explains it.
    pub explained_by: Option<String>,
    /// Fingerprints of the findings that it explains.
    pub explains: Vec<String>,
    /// Survives edits elsewhere in the object: `hash(code, case, group/kind, namespace, name, key)`.
    pub fingerprint: String,
}

impl Finding {
    /// A place in the subject. The first one is where the finding is shown.
    pub fn at(&mut self, pointer: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let object = self.subject.clone();
        self.label(object, pointer, text)
    }

    /// A place in any object.
    pub fn label(
        &mut self,
        object: ObjectRef,
        pointer: impl Into<String>,
        text: impl Into<String>,
    ) -> &mut Self {
        self.labels.push(Label {
            object,
            pointer: pointer.into(),
            text: text.into(),
        });
        self
    }

    /// One more fact.
    pub fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(note.into());
        self
    }

    /// The stable key.
    pub fn key(&mut self, key: impl Into<String>) -> &mut Self {
        self.key = key.into();
        self
    }

    /// The named case.
    pub fn case(&mut self, case: &'static str) -> &mut Self {
        self.case = Some(case);
        self
    }

    /// Another severity than the rule's default.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Lower confidence than the rule's default. A hint is never an error.
    pub fn confidence(&mut self, confidence: Confidence) -> &mut Self {
        self.confidence = confidence;
        self
    }

    /// A fix.
    pub fn fix(&mut self, fix: Fix) -> &mut Self {
        self.fixes.push(fix);
        self
    }

    /// Any finding with one of `codes` about `subject` explains this one.
    pub fn because(&mut self, codes: &'static [&'static str], subject: ObjectRef) -> &mut Self {
        self.because.push(Because { codes, subject });
        self
    }

    /// The same thing happens to other pods of `owner`: findings of one rule that agree in both are one headline.
    pub fn shared_by(&mut self, owner: ObjectRef, what: impl Into<String>) -> &mut Self {
        self.shared = Some((owner, what.into()));
        self
    }

    /// Read this object again before reporting.
    pub fn looked_for(&mut self, kind: Kind, namespace: &str, name: &str) -> &mut Self {
        self.lookups
            .push(Lookup::Object(kind, namespace.into(), name.into()));
        self
    }

    /// Read all objects of a kind again before reporting; an empty namespace means everywhere.
    pub fn looked_through(&mut self, kind: Kind, namespace: &str) -> &mut Self {
        self.lookups.push(Lookup::All(kind, namespace.into()));
        self
    }

    /// Whether nothing else explains it.
    pub fn is_headline(&self) -> bool {
        self.explained_by.is_none()
    }

    pub(crate) fn seal(&mut self) {
        if self.confidence == Confidence::Hint && self.severity == Severity::Error {
            self.severity = Severity::Warning;
        }
        let subject = &self.subject;
        self.fingerprint = fingerprint(&[
            self.rule.code,
            self.case.unwrap_or(""),
            subject.group(),
            &subject.kind,
            &subject.namespace,
            &subject.name,
            &self.key,
        ]);
    }
}

/// FNV-1a, 64 bits, with a separator that no part contains. The value is a promise: baselines hold it.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain(std::iter::once(0)) {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_a_promise() {
        assert_eq!(
            fingerprint(&["SVC004", "", "", "Service", "shop", "web", "http"]),
            "a8e5b201283d08ba"
        );
        assert_ne!(fingerprint(&["a", "bc"]), fingerprint(&["ab", "c"]));
    }
}
