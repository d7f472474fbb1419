//! How rules are tested: a manifest or a saved state goes in through the public entry, findings come out.
//!
//! Every helper panics with the whole report when an expectation fails, so that a failing test explains itself.

use crate::{
    config::Config,
    finding::Finding,
    load::{self, Place},
    manifest,
    model::{Kind, Origin},
    report::{NoVerdict, Report},
    rule::{Rule, Severity, Surface},
    rules::RULES,
    run::run,
    snapshot::{Builder, Snapshot, Source},
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// The clock of all examples and fixtures: 2026-01-01T12:00:00Z.
pub fn clock() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().expect("a valid literal")
}

/// A report and the way to ask it.
pub struct Ran(pub Report);

/// Lints YAML as one file; namespace `default` where none is given.
pub fn lint(yaml: &str) -> Ran {
    lint_with(yaml, &Config::default())
}

/// As [`lint`], with a configuration.
pub fn lint_with(yaml: &str, config: &Config) -> Ran {
    let (snapshot, _) = read(yaml, Source::Files, |_| {});
    Ran(run(&RULES, &snapshot, config, clock(), Surface::Lint))
}

/// Checks YAML as the complete state of a cluster: every kind was listed everywhere.
pub fn check(yaml: &str) -> Ran {
    check_with(yaml, |_| {})
}

/// As [`check`], after changing what was listed (gaps, missing kinds).
pub fn check_with(yaml: &str, adjust: impl FnOnce(&mut Builder)) -> Ran {
    let (snapshot, _) = read(yaml, Source::Cluster, adjust);
    Ran(run(
        &RULES,
        &snapshot,
        &Config::default(),
        clock(),
        Surface::Check,
    ))
}

/// Marks a kind as forbidden everywhere.
pub fn forbid(builder: &mut Builder, kind: Kind) {
    use crate::snapshot::{Coverage, Gap, GapCause};
    let gap = Gap {
        verb: "list".into(),
        resource: kind.resource().into(),
        namespace: None,
        cause: GapCause::Forbidden,
    };
    *builder.coverage(kind) = Coverage {
        gaps: vec![gap],
        ..Coverage::default()
    };
}

/// Reads YAML into a snapshot; also returns the documents as they stand.
pub fn read(
    yaml: &str,
    source: Source,
    adjust: impl FnOnce(&mut Builder),
) -> (Snapshot, Vec<Value>) {
    let parsed = manifest::parse(yaml.as_bytes());
    assert!(
        parsed.problems.is_empty(),
        "the fixture is broken: {:?}",
        parsed.problems
    );
    let mut builder = Builder::new(source);
    if source == Source::Cluster {
        for kind in Kind::all() {
            builder.coverage(kind).everywhere = true;
        }
    }
    let file = (source == Source::Files).then(|| builder.file("fixture.yaml"));
    let values: Vec<Value> = parsed
        .documents
        .iter()
        .map(|document| document.value.clone())
        .collect();
    for document in parsed.documents {
        let place = Place {
            file,
            namespace: "default",
        };
        load::document(place, document.index, document.value, &mut |any| {
            builder.insert(any);
        });
    }
    adjust(&mut builder);
    (builder.seal(), values)
}

impl Ran {
    /// Findings of a code.
    pub fn of(&self, code: &str) -> Vec<&Finding> {
        self.0
            .findings
            .iter()
            .filter(|finding| finding.rule.code == code)
            .collect()
    }

    /// Exactly one finding of the code.
    pub fn one(&self, code: &str) -> &Finding {
        match self.of(code)[..] {
            [only] => only,
            ref all => panic!(
                "expected one {code}, got {}:\n{}",
                all.len(),
                self.describe()
            ),
        }
    }

    /// No finding of the code.
    pub fn none(&self, code: &str) -> &Self {
        assert!(
            self.of(code).is_empty(),
            "expected no {code}:\n{}",
            self.describe()
        );
        self
    }

    /// No finding of the code above info.
    pub fn quiet(&self, code: &str) -> &Self {
        let loud = self
            .of(code)
            .into_iter()
            .any(|finding| finding.severity > Severity::Info);
        assert!(
            !loud,
            "expected {code} to be info at most:\n{}",
            self.describe()
        );
        self
    }

    /// The code was skipped, with a reason that holds `words`.
    pub fn skipped(&self, code: &str, words: &str) -> &Self {
        self.no_verdict(code, NoVerdict::Skipped, words)
    }

    /// The code is unknown, with a reason that holds `words`.
    pub fn unknown(&self, code: &str, words: &str) -> &Self {
        self.no_verdict(code, NoVerdict::Unknown, words)
    }

    fn no_verdict(&self, code: &str, outcome: NoVerdict, words: &str) -> &Self {
        let found = self.0.not_checked.iter().any(|entry| {
            entry.code == code && entry.outcome == outcome && entry.reason.contains(words)
        });
        assert!(
            found,
            "expected {code} {} with `{words}`:\n{}",
            outcome.as_str(),
            self.describe()
        );
        self
    }

    /// The finding of `code` is folded under a finding of `cause`.
    pub fn folded(&self, code: &str, cause: &str) -> &Self {
        let finding = self.one(code);
        let by = finding
            .explained_by
            .as_deref()
            .and_then(|fingerprint| self.0.by_fingerprint(fingerprint));
        let by = by.map(|finding| finding.rule.code);
        assert_eq!(
            by,
            Some(cause),
            "{code} should be explained by {cause}:\n{}",
            self.describe()
        );
        self
    }

    /// All of it, for a failing test.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for finding in &self.0.findings {
            let (code, subject) = (finding.rule.code, &finding.subject);
            text.push_str(&format!(
                "  {} {code} {subject}: {} {:?}\n",
                finding.severity, finding.message, finding.notes
            ));
        }
        for entry in &self.0.not_checked {
            text.push_str(&format!(
                "  {} {}: {}\n",
                entry.outcome.as_str(),
                entry.code,
                entry.reason
            ));
        }
        text
    }
}

/// The page of a rule is a test: in `Example (fails)` the lines marked `# SEVERITY: CODE` are exactly the main places of
/// the rule's findings; `Instead (passes)` has none. Rules that run on manifests are linted, others are checked with
/// the example as the whole cluster.
pub fn check_page(rule: &'static Rule) {
    for heading in [
        "What it does",
        "Why it matters",
        "Example (fails)",
        "Instead (passes)",
        "How to fix",
        "Fix safety",
        "Not found",
        "Sources",
    ] {
        assert!(
            section(rule.page, heading).is_some(),
            "{}: no section `{heading}`",
            rule.code
        );
    }
    let failing = examples(rule, "Example (fails)");
    assert!(!failing.is_empty(), "{}: no failing example", rule.code);
    for example in failing {
        let marked = marked_lines(&example, rule.code);
        assert!(
            !marked.is_empty(),
            "{}: nothing is marked `# error: {}`",
            rule.code,
            rule.code
        );
        assert_eq!(
            found_lines(rule, &example),
            marked,
            "{}: the example's findings",
            rule.code
        );
    }
    for example in examples(rule, "Instead (passes)") {
        let ran = judge(rule, &example);
        let found = ran.of(rule.code);
        assert!(
            found.is_empty(),
            "{}: the passing example fails:\n{}",
            rule.code,
            ran.describe()
        );
    }
}

fn judge(rule: &Rule, example: &str) -> Ran {
    if rule.lint.is_some() {
        lint(example)
    } else {
        check(example)
    }
}

fn section<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let from = page.find(&format!("## {heading}\n"))?;
    let body = &page[from + heading.len() + 4..];
    Some(body.find("\n## ").map_or(body, |to| &body[..to]))
}

fn examples(rule: &Rule, heading: &str) -> Vec<String> {
    let body = section(rule.page, heading).unwrap_or_default();
    let blocks = body.split("```yaml\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .map(str::to_owned)
        .collect()
}

fn marked_lines(example: &str, code: &str) -> BTreeSet<(u32, &'static str)> {
    let mut marked = BTreeSet::new();
    for (line, text) in (1..).zip(example.lines()) {
        for severity in ["error", "warning", "info"] {
            if text.contains(&format!("# {severity}: {code}")) {
                marked.insert((line, severity));
            }
        }
    }
    marked
}

fn found_lines(rule: &'static Rule, example: &str) -> BTreeSet<(u32, &'static str)> {
    let ran = judge(rule, example);
    // Findings on a cluster have no file; the same text read as a file tells the lines.
    let (files, _) = read(example, Source::Files, |_| {});
    ran.of(rule.code)
        .into_iter()
        .map(|finding| {
            let label = finding
                .labels
                .first()
                .unwrap_or_else(|| panic!("{}: a finding without a place", rule.code));
            (line_of(example, &files, label), finding.severity.as_str())
        })
        .collect()
}

fn line_of(example: &str, files: &Snapshot, label: &crate::finding::Label) -> u32 {
    let place = all_references(files)
        .into_iter()
        .find(|reference| reference.same_object(&label.object));
    let Some(Origin::File { document, item, .. }) = place.map(|reference| reference.origin) else {
        panic!("{} is not in the example", label.object);
    };
    let spans =
        manifest::spans(example.as_bytes(), document).expect("the document was parsed before");
    let prefix = item
        .map(|item| format!("/items/{item}"))
        .unwrap_or_default();
    let span = spans
        .nearest(&format!("{prefix}{}", label.pointer))
        .expect("every object has a span");
    span.start.line
}

fn all_references(snapshot: &Snapshot) -> Vec<crate::model::ObjectRef> {
    use crate::model::Object as _;
    let objects = &snapshot.objects;
    let mut references = Vec::new();
    macro_rules! collect {
        ($($store:ident),*) => { $(references.extend(objects.$store.iter().map(|object| object.reference()));)* };
    }
    collect!(
        pods,
        controllers,
        services,
        endpoint_slices,
        namespaces,
        nodes,
        config_maps,
        secrets,
        events,
        autoscalers,
        ingresses,
        ingress_classes,
        network_policies,
        service_cidrs,
        certificates,
        certificate_requests,
        orders,
        challenges,
        issuers,
        webhook_configurations,
        definitions,
        gateways,
        ingress_routes,
        opaque_policies
    );
    references
}

/// The first patch of the one finding of `code` in a manifest applies, clears it, brings nothing new and changes only
/// what it names; a second run proposes nothing.
pub fn fix_clears(yaml: &str, code: &str) {
    fix_clears_on(yaml, code, Surface::Lint);
}

/// As [`fix_clears`], on a surface of choice.
pub fn fix_clears_on(yaml: &str, code: &str, surface: Surface) {
    let source = if surface == Surface::Lint {
        Source::Files
    } else {
        Source::Cluster
    };
    let judge = |text: &str| {
        let (snapshot, values) = read(text, source, |_| {});
        (
            Ran(run(&RULES, &snapshot, &Config::default(), clock(), surface)),
            values,
        )
    };
    let (before, mut values) = judge(yaml);
    let finding = before.one(code);
    let fix = finding.fixes.iter().find(|fix| !fix.patch.0.is_empty());
    let fix = fix.unwrap_or_else(|| panic!("{code} offers no patch:\n{}", before.describe()));
    assert!(
        matches!(
            fix.patch.0.first(),
            Some(json_patch::PatchOperation::Test(_))
        ),
        "{code}: a patch begins with a test"
    );
    let object = fix.object.as_ref().expect("a patch names its object");
    let target = values
        .iter_mut()
        .find(|value| is_object(value, object))
        .expect("the patched object is in the fixture");
    json_patch::patch(target, &fix.patch)
        .unwrap_or_else(|error| panic!("{code}: the patch does not apply: {error}"));
    let fixed: Vec<String> = values.iter().map(ToString::to_string).collect();
    let fixed = fixed.join("\n---\n");
    let (after, _) = judge(&fixed);
    let gone = !after
        .0
        .findings
        .iter()
        .any(|other| other.fingerprint == finding.fingerprint);
    assert!(
        gone,
        "{code}: still there after the fix:\n{}",
        after.describe()
    );
    let known: BTreeSet<&str> = before
        .0
        .findings
        .iter()
        .map(|finding| &*finding.fingerprint)
        .collect();
    let new: Vec<&Finding> = after
        .0
        .findings
        .iter()
        .filter(|f| !known.contains(&*f.fingerprint))
        .collect();
    assert!(
        new.is_empty(),
        "{code}: the fix brings new findings:\n{}",
        after.describe()
    );
}

fn is_object(value: &Value, object: &crate::model::ObjectRef) -> bool {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    text("/kind") == Some(&object.kind)
        && text("/metadata/name") == Some(&object.name)
        && (object.namespace.is_empty()
            || text("/metadata/namespace").unwrap_or("default") == &*object.namespace)
}
