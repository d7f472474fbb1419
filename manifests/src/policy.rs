//! Policy mode: the rules that need nothing but the object, as policies that the API server evaluates by itself.
//!
//! ```text
//!  Expressed (code, case, kinds, CEL) --+--> ValidatingAdmissionPolicy   what is wrong, in the words of the rule
//!  rule.actions(case), profile ---------+--> Bindings                    what happens then, by label of the namespace
//! ```
//!
//! What is refused has a second policy for objects that a controller manages, which only warns: the controller would try
//! for ever.
//!
//! Every expression yields what it found as a list per container: `{'key': .., 'text': ..}`, with the key of the rule's
//! fingerprint. An update is judged by the keys that the old object did not have, so that nobody is refused for what was
//! wrong before. No parameters are used: the policies also work as manifests of the API server (KEP-5793).

mod cel;
mod network;
mod pods;
mod why_not;

use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::{Action, Actions, Rule, Severity};
use netdoctor_engine::rules;
use serde_json::{Value, json};

use crate::object::{Part, cluster, with};
use crate::{Options, Profile, conditions, configuration, names};

pub use why_not::{Reason, not_expressed};

/// All profiles, the mildest first.
pub const PROFILES: [Profile; 3] = [Profile::Advisory, Profile::Guarded, Profile::Strict];

/// A rule, or one case of it, as CEL.
pub struct Expressed {
    /// Code of the rule.
    pub code: &'static str,
    /// The case that this policy is about; `None` for all that have no policy of their own.
    pub case: Option<&'static str>,
    /// Severity of that case before configuration.
    severity: Severity,
    /// Kinds of subjects.
    kinds: &'static [Kind],
    /// What is found in an object: a list of lists of `{'key', 'text'}`.
    found: fn(&Names) -> String,
    /// What counts as known before; that of `found` unless a milder case follows a worse one.
    known: Option<fn(&Names) -> String>,
    /// What is left out of the rule, for the documentation.
    pub leaves_out: &'static str,
}

/// Whose objects a policy is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Everybody's: nothing is refused anyway.
    Any,
    /// Those that no controller manages.
    Nobody,
    /// Those that a controller manages.
    Controller,
}

/// Rules that are silent where a dataplane runs.
const SILENT_BESIDE_DATAPLANES: [&str; 3] = ["HST002", "HST004", "HST009"];

/// What an expression calls the object, before and after the change.
pub(crate) struct Names {
    /// The object itself.
    object: &'static str,
    /// Its Pod specification.
    pod: &'static str,
    /// All containers, regular ones first.
    all: &'static str,
    /// Regular containers and sidecars.
    serving: &'static str,
    /// Labels of its Pods.
    labels: &'static str,
}

const AFTER: Names = Names {
    object: "variables.after",
    pod: "variables.pod",
    all: "variables.all",
    serving: "variables.serving",
    labels: "variables.labels",
};

const BEFORE: Names = Names {
    object: "variables.before",
    pod: "variables.oldPod",
    all: "variables.oldAll",
    serving: "variables.oldServing",
    labels: "variables.oldLabels",
};

/// Everything that is expressed, in code order.
pub fn expressed() -> impl Iterator<Item = &'static Expressed> {
    pods::EXPRESSED.iter().chain(network::EXPRESSED)
}

/// Policies and their bindings.
pub(crate) fn objects(options: &Options) -> Vec<Value> {
    let mut objects = Vec::new();
    for one in expressed() {
        // Every expressed code is a rule, which a test holds.
        let Some(rule) = rules::find(one.code) else {
            continue;
        };
        for owner in one.owners(rule) {
            objects.push(one.policy(rule, *owner, options));
            objects.extend(one.bindings(rule, *owner, options));
        }
    }
    objects
}

impl Expressed {
    /// `netdoctor-hst005-sidecar`.
    pub fn name(&self) -> String {
        let code = self.code.to_ascii_lowercase();
        match self.case {
            Some(case) => format!("netdoctor-{code}-{case}"),
            None => format!("netdoctor-{code}"),
        }
    }

    /// The policy that judges an object, by whether a controller manages it.
    pub fn name_for(&self, rule: &Rule, managed: bool) -> String {
        match self.owners(rule) {
            [Owner::Any] => self.name(),
            _ if managed => self.name_of(Owner::Controller),
            _ => self.name_of(Owner::Nobody),
        }
    }

    fn name_of(&self, owner: Owner) -> String {
        match owner {
            Owner::Any | Owner::Nobody => self.name(),
            Owner::Controller => format!("{}-owned", self.name()),
        }
    }

    fn owners(&self, rule: &Rule) -> &'static [Owner] {
        if self.actions(rule).contains(&Action::Deny) {
            &[Owner::Nobody, Owner::Controller]
        } else {
            &[Owner::Any]
        }
    }

    /// Kinds of subjects.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        self.kinds.iter().copied()
    }

    /// What happens in each profile.
    pub fn actions(&self, rule: &Rule) -> [Action; 3] {
        let Actions { guarded, strict } = rule
            .actions(self.case, self.severity)
            .unwrap_or(Actions::both(Action::Audit));
        [guarded.min(Action::Warn), guarded, strict]
    }

    fn policy(&self, rule: &Rule, owner: Owner, options: &Options) -> Value {
        // A policy does nothing until it is bound: a beginning in one namespace is said in the bindings.
        let everywhere = Options {
            only_namespace: None,
            ..options.clone()
        };
        let mut conditions = conditions::all();
        let nobodys = conditions::NOBODYS;
        match owner {
            Owner::Any => {}
            Owner::Nobody => {
                conditions.push(json!({"name": "not-managed", "expression": nobodys}));
            }
            Owner::Controller => {
                let managed = format!("!{}", cel::in_parentheses(nobodys));
                conditions.push(json!({"name": "managed", "expression": managed}));
            }
        }
        conditions.push(cel::not_allowed(rule, self.case));
        let mut namespaces = configuration::namespaces(&everywhere);
        if SILENT_BESIDE_DATAPLANES.contains(&self.code) {
            let (key, values) = (configuration::NAMESPACE_NAME, names::DATAPLANE_NAMESPACES);
            namespaces.push(json!({"key": key, "operator": "NotIn", "values": values}));
        }
        let validation = json!({
            "expression": "variables.fresh.all(container, size(container) == 0)",
            "message": format!("{}: {}", self.code, rule.summary),
            "messageExpression": "variables.fresh.filter(container, size(container) > 0)[0][0].text",
            "reason": "Forbidden",
        });
        with(
            cluster(
                API,
                "ValidatingAdmissionPolicy",
                &self.name_of(owner),
                Part::Policy,
            ),
            json!({"spec": {
                "failurePolicy": "Ignore",
                "matchConditions": conditions,
                "matchConstraints": {
                    "matchPolicy": "Equivalent",
                    "namespaceSelector": {"matchExpressions": namespaces},
                    "resourceRules": configuration::rules(self.kinds.iter().copied()),
                },
                "validations": [validation],
                "variables": self.variables(),
            }}),
        )
    }

    fn variables(&self) -> Vec<Value> {
        let known = self.known.unwrap_or(self.found);
        let mut variables = vec![
            // The types of the API are left behind: one expression serves all kinds of workloads.
            ("after", "dyn(object)".to_owned()),
            (
                "before",
                "oldObject == null ? dyn({}) : dyn(oldObject)".to_owned(),
            ),
            ("subject", cel::SUBJECT.to_owned()),
        ];
        if self.kinds.contains(&Kind::Deployment) {
            for (prefix, object) in [("", "variables.after"), ("old", "variables.before")] {
                variables.extend(cel::pod_variables(prefix, object));
            }
        }
        variables.extend([
            ("found", (self.found)(&AFTER)),
            (
                "known",
                format!(
                    "oldObject == null ? [] : {}.map(container, container.map(one, one.key))",
                    cel::in_parentheses(&known(&BEFORE))
                ),
            ),
            (
                "fresh",
                "variables.found.map(container, container.filter(one, !variables.known.exists(old, one.key in old)))"
                    .to_owned(),
            ),
        ]);
        variables
            .into_iter()
            .map(|(name, expression)| json!({"name": name, "expression": expression}))
            .collect()
    }

    /// One binding per action. A namespace without the label has the profile of the installation.
    fn bindings(&self, rule: &Rule, owner: Owner, options: &Options) -> Vec<Value> {
        let most = match owner {
            Owner::Any | Owner::Nobody => Action::Deny,
            Owner::Controller => Action::Warn,
        };
        let actions = self.actions(rule).map(|action| action.min(most));
        let of = |action: Action| {
            let profiles = PROFILES.iter().zip(actions);
            let profiles = profiles.filter(move |(_, other)| *other == action);
            profiles
                .map(|(profile, _)| *profile)
                .collect::<Vec<Profile>>()
        };
        [Action::Audit, Action::Warn, Action::Deny]
            .into_iter()
            .map(|action| (action, of(action)))
            .filter(|(_, profiles)| !profiles.is_empty())
            .map(|(action, profiles)| self.binding(owner, action, &profiles, options))
            .collect()
    }

    fn binding(
        &self,
        owner: Owner,
        action: Action,
        profiles: &[Profile],
        options: &Options,
    ) -> Value {
        let policy = self.name_of(owner);
        let name = format!("{policy}-{}", action.as_str());
        let validation_actions = match action {
            Action::Audit => json!(["Audit"]),
            Action::Warn => json!(["Warn", "Audit"]),
            Action::Deny => json!(["Deny"]),
        };
        let mut spec = json!({"policyName": policy, "validationActions": validation_actions});
        let mut expressions = Vec::new();
        if profiles.len() < PROFILES.len() {
            let (operator, listed): (&str, Vec<Profile>) = if profiles.contains(&options.profile) {
                let others = PROFILES.into_iter();
                (
                    "NotIn",
                    others
                        .filter(|profile| !profiles.contains(profile))
                        .collect(),
                )
            } else {
                ("In", profiles.to_vec())
            };
            let values: Vec<&str> = listed.into_iter().map(Profile::as_str).collect();
            expressions
                .push(json!({"key": names::PROFILE_LABEL, "operator": operator, "values": values}));
        }
        if let Some(only) = &options.only_namespace {
            let key = configuration::NAMESPACE_NAME;
            expressions.push(json!({"key": key, "operator": "In", "values": [only]}));
        }
        if !expressions.is_empty() {
            spec["matchResources"] =
                json!({"namespaceSelector": {"matchExpressions": expressions}});
        }
        with(
            cluster(API, "ValidatingAdmissionPolicyBinding", &name, Part::Policy),
            json!({"spec": spec}),
        )
    }
}

const API: &str = "admissionregistration.k8s.io/v1";

#[cfg(test)]
mod tests;
