//! What a rule is.

mod action;

pub use action::{Action, Actions};

use crate::{
    context::{Context, Reporter},
    model::{
        Autoscaler, Certificate, CustomResourceDefinition, EndpointSlice, Gateway, Ingress,
        IngressClass, IngressRoute, Kind, NetworkPolicy, Node, Pod, Secret, Service,
        WebhookConfiguration, Workload, decode::Any,
    },
};

/// How bad a finding is, if it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Context that explains other findings.
    Info,
    /// Fails under a foreseeable condition, or is very likely not what was meant.
    Warning,
    /// Traffic fails now, or at the next restart.
    Error,
}

impl Severity {
    /// Lower-case name, as output and configuration spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "info" => Ok(Self::Info),
            "warning" => Ok(Self::Warning),
            "error" => Ok(Self::Error),
            _ => Err(()),
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How sure the engine is. Doubt lowers this, not the severity; a hint is never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A heuristic.
    Hint,
    /// One plausible innocent reading remains.
    Likely,
    /// Follows from API semantics and complete evidence.
    Certain,
}

impl Confidence {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// Where rules run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Surface {
    /// A live cluster, or a saved state of one.
    Check,
    /// Manifests.
    Lint,
    /// An admission request.
    Admit,
}

/// What a rule needs to be sure (catalogue §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// The one object.
    Own,
    /// Another object is absent. Re-read before it is reported live; never denies.
    Miss,
    /// Another object disagrees. Re-read before it is reported live.
    Contra,
    /// Cluster facts.
    Fact,
    /// Conditions, events, container states, endpoints.
    Status,
}

impl Evidence {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::Miss => "miss",
            Self::Contra => "contra",
            Self::Fact => "fact",
            Self::Status => "status",
        }
    }
}

/// How far a finding concerns others than its subject's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Its namespace only: `-n` selects by it.
    Namespace,
    /// The whole cluster (cluster DNS, the pod network): reported whatever `-n` says.
    Cluster,
}

/// The function of a rule for one kind of subject. A rule may have several.
#[derive(Clone, Copy)]
#[allow(missing_docs)] // one variant per subject
pub enum Check {
    Service(for<'a> fn(&Context<'a>, &'a Service, &mut Reporter)),
    Workload(for<'a> fn(&Context<'a>, Workload<'a>, &mut Reporter)),
    Pod(for<'a> fn(&Context<'a>, &'a Pod, &mut Reporter)),
    EndpointSlice(for<'a> fn(&Context<'a>, &'a EndpointSlice, &mut Reporter)),
    Autoscaler(for<'a> fn(&Context<'a>, &'a Autoscaler, &mut Reporter)),
    NetworkPolicy(for<'a> fn(&Context<'a>, &'a NetworkPolicy, &mut Reporter)),
    Ingress(for<'a> fn(&Context<'a>, &'a Ingress, &mut Reporter)),
    IngressClass(for<'a> fn(&Context<'a>, &'a IngressClass, &mut Reporter)),
    IngressRoute(for<'a> fn(&Context<'a>, &'a IngressRoute, &mut Reporter)),
    Gateway(for<'a> fn(&Context<'a>, &'a Gateway, &mut Reporter)),
    Node(for<'a> fn(&Context<'a>, &'a Node, &mut Reporter)),
    Secret(for<'a> fn(&Context<'a>, &'a Secret, &mut Reporter)),
    Certificate(for<'a> fn(&Context<'a>, &'a Certificate, &mut Reporter)),
    WebhookConfiguration(for<'a> fn(&Context<'a>, &'a WebhookConfiguration, &mut Reporter)),
    CustomResourceDefinition(for<'a> fn(&Context<'a>, &'a CustomResourceDefinition, &mut Reporter)),
}

impl Check {
    /// The kinds that this function judges, for listing.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Service(_) => &[Kind::Service],
            Self::Workload(_) => &[
                Kind::Pod,
                Kind::Deployment,
                Kind::StatefulSet,
                Kind::DaemonSet,
                Kind::ReplicaSet,
                Kind::ReplicationController,
                Kind::Job,
                Kind::CronJob,
            ],
            Self::Pod(_) => &[Kind::Pod],
            Self::EndpointSlice(_) => &[Kind::EndpointSlice],
            Self::Autoscaler(_) => &[Kind::HorizontalPodAutoscaler],
            Self::NetworkPolicy(_) => &[Kind::NetworkPolicy],
            Self::Ingress(_) => &[Kind::Ingress],
            Self::IngressClass(_) => &[Kind::IngressClass],
            Self::IngressRoute(_) => &[Kind::IngressRoute],
            Self::Gateway(_) => &[Kind::Gateway],
            Self::Node(_) => &[Kind::Node],
            Self::Secret(_) => &[Kind::Secret],
            Self::Certificate(_) => &[Kind::Certificate],
            Self::WebhookConfiguration(_) => &[
                Kind::ValidatingWebhookConfiguration,
                Kind::MutatingWebhookConfiguration,
            ],
            Self::CustomResourceDefinition(_) => &[Kind::CustomResourceDefinition],
        }
    }
}

/// A rule: its metadata, its page and its function. Everything else (listing, RBAC, documentation, completion) is
/// generated from this.
pub struct Rule {
    /// Area and number, as in the catalogue. Never reused.
    pub code: &'static str,
    /// Names the defect, so that "allow NAME" reads well. Never reused.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// First version that has it.
    pub since: &'static str,
    /// Severity on a cluster; `None` where the rule does not run there.
    pub check: Option<Severity>,
    /// Severity on manifests.
    pub lint: Option<Severity>,
    /// Action at admission in profile `guarded`; `advisory` turns a denial into a warning.
    pub admit: Option<Action>,
    /// Action in profile `strict`, where it differs.
    pub strict: Option<Action>,
    /// Actions of named cases, where they differ from the rule's.
    pub admit_cases: &'static [(&'static str, Actions)],
    /// Confidence, unless a guard lowers it for one finding.
    pub confidence: Confidence,
    /// What it needs to be sure.
    pub evidence: Evidence,
    /// Subjects add up: what one leaves out another of its kind may bring, which one that has just been made waits for.
    pub additive: bool,
    /// Whether `-n` hides it.
    pub reach: Reach,
    /// Kinds without which the rule is unknown (besides its subjects). `Pod` stands for templates in files.
    pub needs: &'static [Kind],
    /// Kinds that sharpen the verdict; the rule copes with their absence.
    pub wants: &'static [Kind],
    /// Objects that take what all namespaces share, so that the kinds of the rule are wanted from all of them to judge one.
    pub elsewhere: Option<fn(&Any) -> bool>,
    /// Other kinds whose change can break a subject.
    pub triggers: &'static [Kind],
    /// Named cases with their own default severity on a cluster and in files.
    pub cases: &'static [(&'static str, Severity)],
    /// JSON pointers of the subject that it reads, `*` for any one token: a decoding problem there makes it unknown, and
    /// at admission an update that changes none of them is not judged.
    pub reads: &'static [&'static str],
    /// The page: manual, `explain` text and test.
    pub page: &'static str,
    /// Source file of the rule.
    pub file: &'static str,
    /// Its functions.
    pub on: &'static [Check],
}

impl Rule {
    /// What a rule's declaration starts from; code, name, summary, page, file and functions are always given.
    pub const BASE: Self = Self {
        code: "",
        name: "",
        summary: "",
        since: "0.1.0",
        check: None,
        lint: None,
        admit: None,
        strict: None,
        admit_cases: &[],
        confidence: Confidence::Certain,
        evidence: Evidence::Own,
        additive: false,
        reach: Reach::Namespace,
        needs: &[],
        wants: &[],
        elsewhere: None,
        triggers: &[],
        cases: &[],
        reads: &[],
        page: "",
        file: "",
        on: &[],
    };

    /// Area: the letters of the code.
    pub fn area(&self) -> &'static str {
        self.code.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// Default severity on a surface; at admission that of manifests.
    pub fn severity(&self, surface: Surface) -> Option<Severity> {
        match surface {
            Surface::Check => self.check,
            Surface::Lint => self.lint,
            Surface::Admit => self.admit.and(self.lint.or(self.check)),
        }
    }

    /// What the webhook does with a finding of a case that has this severity before configuration; `None` where the rule
    /// does not run there. What a guard made mere information is recorded only, unless the case says otherwise.
    pub fn actions(&self, case: Option<&str>, severity: Severity) -> Option<Actions> {
        let guarded = self.admit?;
        let of_case = |(name, actions): &(&str, Actions)| (Some(*name) == case).then_some(*actions);
        if let Some(actions) = self.admit_cases.iter().find_map(of_case) {
            return Some(actions);
        }
        let lowered = severity == Severity::Info
            && self
                .severity(Surface::Admit)
                .is_some_and(|usual| usual > Severity::Info);
        Some(if lowered {
            Actions::both(Action::Audit)
        } else {
            Actions {
                guarded,
                strict: self.strict.unwrap_or(guarded),
            }
        })
    }

    /// Whether it reads what stands at a JSON pointer of its subject, or something on the way there or below it.
    pub fn reads_at(&self, pointer: &str) -> bool {
        self.reads.iter().any(|pattern| touches(pointer, pattern))
    }

    /// Whether a change of an object of this kind can break subjects other than the object itself.
    pub fn triggered_by(&self, kind: Kind) -> bool {
        // Custom workloads are no kind that a rule could name; they make pods as Deployments do.
        let kind = if kind == Kind::CustomWorkload {
            Kind::Deployment
        } else {
            kind
        };
        self.triggers.contains(&kind)
    }

    /// Whether it runs on a surface.
    pub fn runs_on(&self, surface: Surface) -> bool {
        self.severity(surface).is_some()
    }

    /// Every kind it reads: subjects, needs and wants, without duplicates.
    pub fn kinds(&self) -> Vec<Kind> {
        let subjects = self.on.iter().flat_map(|check| check.kinds());
        let mut kinds: Vec<Kind> = subjects
            .chain(self.needs)
            .chain(self.wants)
            .copied()
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// Whether a place at `pointer` lies on the way to, at, or below what `pattern` names.
fn touches(pointer: &str, pattern: &str) -> bool {
    let mut wanted = pattern.split('/').skip(1);
    for token in pointer.split('/').skip(1) {
        match wanted.next() {
            None => return true,
            Some(expected) if expected == "*" || expected == token => {}
            Some(_) => return false,
        }
    }
    true
}

/// Whether a page has an example in which the line that is found is marked. Evaluated while compiling, so that a rule
/// without one does not build.
pub const fn has_example(page: &str) -> bool {
    contains(page.as_bytes(), b"```yaml") && contains(page.as_bytes(), b"# Sources") && {
        contains(page.as_bytes(), b"  # error: ")
            || contains(page.as_bytes(), b"  # warning: ")
            || contains(page.as_bytes(), b"  # info: ")
    }
}

const fn contains(text: &[u8], wanted: &[u8]) -> bool {
    let mut at = 0;
    while at + wanted.len() <= text.len() {
        let mut same = 0;
        while same < wanted.len() && text[at + same] == wanted[same] {
            same += 1;
        }
        if same == wanted.len() {
            return true;
        }
        at += 1;
    }
    false
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_on_the_way_to_a_field_and_below_it() {
        assert!(touches("/spec/ports/0/port", "/spec/ports/*/port"));
        assert!(touches("/spec/ports", "/spec/ports/*/port"));
        assert!(touches("/spec/ports/0/port/x", "/spec/ports/*/port"));
        assert!(!touches("/spec/ports/0/name", "/spec/ports/*/port"));
        assert!(!touches("/status", "/spec/ports/*/port"));
    }
}
