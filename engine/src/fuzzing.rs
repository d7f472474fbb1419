//! The entry of the `objects` fuzz target, shared with a property test on stable: bytes become a set of objects whose
//! fields hold anything, and all rules run over them.
//!
//! Objects are grown from the fields that rules read, so that the rules are reached and not only the decoder.

use crate::{
    config::Config,
    load::{self, Place},
    model::Kind,
    rule::Surface,
    rules::RULES,
    run::run,
    snapshot::{Builder, Source},
};
use serde_json::{Map, Value, json};

/// Words that matter to rules, beside whatever the bytes say.
const WORDS: [&str; 24] = [
    "web",
    "shop",
    "default",
    "kube-system",
    "http",
    "TCP",
    "UDP",
    "SCTP",
    "ClusterFirst",
    "True",
    "False",
    "Unknown",
    "Running",
    "Pending",
    "CrashLoopBackOff",
    "LoadBalancer",
    "NodePort",
    "ExternalName",
    "None",
    "Ingress",
    "Egress",
    "In",
    "100%",
    "10.0.0.0/8",
];

/// Names of fields that rules read, on every level.
const FIELDS: [&str; 56] = [
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
    "controller",
    "uid",
    "selector",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "ports",
    "port",
    "targetPort",
    "nodePort",
    "protocol",
    "type",
    "clusterIP",
    "externalName",
    "template",
    "containers",
    "initContainers",
    "containerPort",
    "hostPort",
    "hostNetwork",
    "dnsPolicy",
    "readinessProbe",
    "httpGet",
    "replicas",
    "strategy",
    "rollingUpdate",
    "maxSurge",
    "maxUnavailable",
    "affinity",
    "tolerations",
    "conditions",
    "lastTransitionTime",
    "containerStatuses",
    "state",
    "waiting",
    "reason",
    "message",
    "podSelector",
    "policyTypes",
    "ingress",
    "egress",
    "from",
    "to",
    "ipBlock",
    "cidr",
    "endPort",
];

/// Runs all rules over what the bytes describe, on a cluster and as files. Panics only where the engine does.
pub fn judge(bytes: &[u8]) {
    let mut grown = Grown {
        bytes,
        at: 0,
        left: 400,
    };
    let kinds: Vec<Kind> = Kind::all().collect();
    let count = usize::from(grown.byte()) % 12;
    let objects: Vec<Value> = (0..count)
        .map(|_| {
            let kind = kinds[usize::from(grown.byte()) % kinds.len()];
            grown.object(kind)
        })
        .collect();
    let now = "2026-01-01T12:00:00Z".parse().unwrap_or_default();
    for (source, surface) in [
        (Source::Cluster, Surface::Check),
        (Source::Files, Surface::Lint),
    ] {
        let mut builder = Builder::new(source);
        for kind in Kind::all() {
            builder.coverage(kind).everywhere = true;
        }
        let file = (source == Source::Files).then(|| builder.file("input"));
        for (number, object) in (0..).zip(&objects) {
            let place = Place {
                file,
                namespace: "default",
            };
            load::document(place, number, object.clone(), &mut |any| {
                builder.insert(any);
            });
        }
        let report = run(&RULES, &builder.seal(), &Config::default(), now, surface);
        // A rule that panics is caught and reported; here that is the failure to find.
        let internal = report
            .not_checked
            .iter()
            .find(|entry| entry.reason.contains("internal error"));
        assert!(
            internal.is_none(),
            "{internal:?} on {}",
            Value::Array(objects.clone())
        );
    }
}

/// Grows an object and its successor from bytes: two objects that have little in common, or the same with one other field.
pub fn pair(bytes: &[u8]) -> (Kind, Value, Value) {
    let mut grown = Grown {
        bytes,
        at: 0,
        left: 400,
    };
    let kinds: Vec<Kind> = Kind::all().collect();
    let kind = kinds[usize::from(grown.byte()) % kinds.len()];
    let old = grown.object(kind);
    let mut new = old.clone();
    if grown.byte().is_multiple_of(2) {
        new = grown.object(kind);
    } else {
        let field = FIELDS[usize::from(grown.byte()) % FIELDS.len()];
        if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert(field.to_owned(), grown.value(1));
        }
    }
    (kind, old, new)
}

struct Grown<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl Grown<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }

    fn object(&mut self, kind: Kind) -> Value {
        let mut object = Map::new();
        for field in ["spec", "status", "data", "webhooks", "endpoints", "ports"] {
            if !self.byte().is_multiple_of(3) {
                object.insert(field.to_owned(), self.value(0));
            }
        }
        let mut object = Value::Object(object);
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.name().into();
        let labels = self.value(3);
        object["metadata"] = json!({"name": self.word(), "namespace": self.word(), "uid": self.word(), "labels": labels,
            "creationTimestamp": "2026-01-01T00:00:00Z"});
        if self.byte().is_multiple_of(4) {
            object["metadata"] = self.value(0);
        }
        object
    }

    fn word(&mut self) -> String {
        WORDS[usize::from(self.byte()) % WORDS.len()].to_owned()
    }

    fn value(&mut self, depth: usize) -> Value {
        self.left = self.left.saturating_sub(1);
        let choice = if depth > 9 || self.left == 0 {
            self.byte() % 6
        } else {
            self.byte() % 16
        };
        match choice {
            0 => Value::Null,
            1 => Value::Bool(self.byte().is_multiple_of(2)),
            2 => i64::from(self.byte()).into(),
            3 => (i64::from(self.byte()) * 16_777_216 - i64::from(self.byte()) * 8_388_608).into(),
            4 | 5 => self.word().into(),
            6..=8 => {
                let count = self.byte() % 4;
                (0..count).map(|_| self.value(depth + 1)).collect()
            }
            _ => {
                let count = self.byte() % 6;
                let fields = (0..count).map(|_| {
                    let field = FIELDS[usize::from(self.byte()) % FIELDS.len()];
                    (field.to_owned(), self.value(depth + 1))
                });
                Value::Object(fields.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_object_makes_a_rule_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
            super::judge(&bytes);
        }
    }
}
