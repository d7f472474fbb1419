//! `ingress-class-missing`

use crate::{
    context::{Context, Reporter},
    facts::Distribution,
    finding::{Finding, Fix, FixClass},
    ingress::KnownController,
    model::{Ingress, IngressClass, Kind, Object as _, Workload},
    near,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
    snapshot::Absence,
};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

const NO_CLASS: &str = "no-class";
const SEVERAL_DEFAULTS: &str = "several-defaults";
const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";

pub(super) static RULE: Rule = Rule {
    code: "ING004",
    name: "ingress-class-missing",
    summary: "an Ingress belongs to no IngressClass, so no controller may take it",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    confidence: Confidence::Likely,
    evidence: Evidence::Miss,
    needs: &[Kind::IngressClass],
    wants: &[Kind::Pod, Kind::Deployment, Kind::DaemonSet],
    triggers: &[Kind::IngressClass],
    cases: &[
        (NO_CLASS, Severity::Error),
        (SEVERAL_DEFAULTS, Severity::Warning),
    ],
    reads: &[
        "/spec/ingressClassName",
        "/metadata/annotations",
        "/spec/controller",
    ],
    page: include_str!("ingress_class_missing.md"),
    file: file!(),
    on: &[
        Check::Ingress(check_ingress),
        Check::IngressClass(check_class),
    ],
    ..Rule::BASE
};

fn check_ingress(cx: &Context<'_>, ingress: &Ingress, report: &mut Reporter) {
    if ingress.meta.deleting() {
        return report.not_applicable();
    }
    match ingress.class_name.as_deref() {
        Some("") => report.skip("ingressClassName is empty, which the API server refuses"),
        Some(name) => named(cx, ingress, name, report),
        // Controllers compare the annotation with a name of their own; no object is needed.
        None if ingress.class_annotation().is_some() => report.not_applicable(),
        None => classless(cx, ingress, report),
    }
}

fn named(cx: &Context<'_>, ingress: &Ingress, name: &str, report: &mut Reporter) {
    if !cx.named::<IngressClass>("", name).is_empty()
        || !report.proven(
            cx.absence(Kind::IngressClass, ""),
            &format!("IngressClass `{name}`"),
        )
    {
        return;
    }
    let controllers = cx.ingress_controllers();
    let by_name = crate::ingress::KNOWN_CONTROLLERS
        .iter()
        .find(|known| known.by_name.contains(&name));
    if let Some(known) = by_name
        && let Err(Absence::Unknown(reason)) = cx.known(Kind::Pod, "")
    {
        return report.unknown(format!(
            "{} takes this class without an IngressClass, and may run here: {reason}",
            known.name
        ));
    }
    let taken = by_name.filter(|known| runs(&controllers, known));
    let classes = class_names(cx);
    let near = near::names(name, classes.iter().copied());
    let absent = if cx.on_cluster() {
        "does not exist"
    } else {
        "is not among the manifests"
    };
    let finding = report.find(format!(
        "Ingress `{}` names IngressClass `{name}`, which {absent}",
        ingress.meta
    ));
    finding
        .key(name)
        .at("/spec/ingressClassName", "no such class")
        .looked_for(Kind::IngressClass, "", name);
    if let Some(known) = taken {
        finding.severity(Severity::Info);
        finding.note(format!(
            "{} compares the name alone and takes the Ingress nevertheless",
            known.name
        ));
    } else {
        finding.note(
            "controllers pass over an Ingress whose class does not exist, so its hosts answer 404",
        );
        // In files the class may come with a controller that is installed from elsewhere.
        if !cx.on_cluster() && near.is_empty() {
            let installer = cx.installer();
            finding.severity(if installer.is_some() {
                Severity::Info
            } else {
                Severity::Warning
            });
            finding.note(match installer {
                Some(installer) => {
                    format!("it may come with what {} installs", installer.reference())
                }
                None => "it may come with a controller that is installed from elsewhere".to_owned(),
            });
        }
    }
    tell_classes(finding, &classes);
    tell_controllers(finding, &controllers);
    let choice = match (&near[..], &classes[..]) {
        ([only], _) | ([], [only]) => Some(*only),
        _ => None,
    };
    finding.fix(match choice {
        Some(class) => Fix::patch(
            FixClass::Review,
            format!("use IngressClass `{class}`"),
            ingress.reference(),
        )
        .test("/spec/ingressClassName", name)
        .replace("/spec/ingressClassName", class),
        None if classes.is_empty() => create(name, &controllers),
        None => Fix::manual(format!(
            "use one of the classes that exist: {}",
            quoted(&classes)
        ))
        .command("kubectl get ingressclasses"),
    });
}

fn classless(cx: &Context<'_>, ingress: &Ingress, report: &mut Reporter) {
    let defaults: Vec<&IngressClass> = cx
        .all::<IngressClass>()
        .filter(|class| class.is_default())
        .collect();
    let born = ingress.meta.creation_timestamp;
    let younger = |class: &&IngressClass| matches!((class.meta.creation_timestamp, born), (Some(class), Some(ingress)) if class > ingress);
    if !defaults.iter().all(younger) {
        return; // the default was, or will be, filled in when the Ingress is created
    }
    if !report.proven(cx.absence(Kind::IngressClass, ""), "a default IngressClass") {
        return;
    }
    if let Err(Absence::Unknown(reason)) = cx.known(Kind::Pod, "") {
        return report.unknown(format!(
            "some controllers take Ingresses without a class, and none could be looked for: {reason}"
        ));
    }
    let controllers = cx.ingress_controllers();
    let classes = class_names(cx);
    let why = if let Some(class) = defaults.first() {
        format!(
            "the default IngressClass `{}` is younger than it",
            class.meta.name
        )
    } else if cx.on_cluster() {
        "no IngressClass is the default".to_owned()
    } else {
        "no IngressClass among the manifests is the default".to_owned()
    };
    let finding = report.find(format!(
        "Ingress `{}` names no class, and {why}",
        ingress.meta
    ));
    finding
        .case(NO_CLASS)
        .severity(Severity::Error)
        .at("/spec", "no ingressClassName")
        .looked_through(Kind::IngressClass, "");
    if let Some(class) = defaults.first() {
        finding.label(class.reference(), "/metadata/annotations", "the default");
        finding.note("the default is filled in when an Ingress is created, never later");
    }
    match taker(cx, &controllers) {
        Taker::Takes(name) => {
            finding.severity(Severity::Info);
            finding.note(format!("{name} takes Ingresses without a class"));
        }
        Taker::Perhaps(name) => {
            finding.severity(Severity::Warning);
            finding.note(format!(
                "{name} may take Ingresses without a class, depending on its settings"
            ));
        }
        Taker::Nobody => {
            finding.note("no controller that is known here takes Ingresses without a class, so its hosts answer 404");
            if let Some(installer) = cx.installer() {
                finding.severity(Severity::Info).note(format!(
                    "a default may come with what {} installs",
                    installer.reference()
                ));
            } else if !cx.on_cluster() {
                finding.severity(Severity::Warning);
            }
        }
    }
    tell_classes(finding, &classes);
    finding.fix(match classes[..] {
        [only] => Fix::patch(
            FixClass::Review,
            format!("use IngressClass `{only}`"),
            ingress.reference(),
        )
        .test("/metadata/name", &*ingress.meta.name)
        .add("/spec/ingressClassName", only),
        [] => create("nginx", &controllers),
        _ => Fix::manual(format!("name a class: {}", quoted(&classes)))
            .command("kubectl get ingressclasses"),
    });
}

fn check_class(cx: &Context<'_>, class: &IngressClass, report: &mut Reporter) {
    if !class.is_default() {
        return report.not_applicable();
    }
    let defaults: Vec<&IngressClass> = cx
        .all::<IngressClass>()
        .filter(|class| class.is_default())
        .collect();
    let names: BTreeSet<&str> = defaults.iter().map(|class| &*class.meta.name).collect();
    if names.len() < 2 {
        return;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let finding = report.find(format!(
        "{} IngressClasses are marked as the default: {}",
        names.len(),
        quoted(&names)
    ));
    finding
        .case(SEVERAL_DEFAULTS)
        .severity(Severity::Warning)
        .key("default")
        .at(
            format!(
                "/metadata/annotations/{}",
                DEFAULT_ANNOTATION.replace('/', "~1")
            ),
            "one of several",
        )
        .looked_through(Kind::IngressClass, "");
    for other in &defaults {
        if other.meta.name != class.meta.name {
            finding.label(
                other.reference(),
                format!(
                    "/metadata/annotations/{}",
                    DEFAULT_ANNOTATION.replace('/', "~1")
                ),
                "another default",
            );
        }
    }
    finding.note(
        "an Ingress without a class gets the youngest of them; API servers before 1.26 refuse to create it",
    );
    if let Some(first) = defaults.first() {
        finding.because(&["ING004"], first.reference());
    }
    finding.fix(
        Fix::manual("leave one of them as the default").command(format!(
            "kubectl annotate ingressclass {} {DEFAULT_ANNOTATION}-",
            class.meta.name
        )),
    );
}

/// Who takes Ingresses without a class.
enum Taker {
    Takes(String),
    Perhaps(String),
    Nobody,
}

fn taker(cx: &Context<'_>, controllers: &[(&'static KnownController, Workload<'_>)]) -> Taker {
    let mut answer = Taker::Nobody;
    for (known, workload) in controllers {
        match known.takes_classless(workload.spec()) {
            Some(true) => {
                return Taker::Takes(format!("{} ({})", known.name, workload.reference()));
            }
            None => answer = Taker::Perhaps(format!("{} ({})", known.name, workload.reference())),
            Some(false) => {}
        }
    }
    match cx.facts().distribution.as_ref().map(|fact| fact.value) {
        Some(Distribution::Gke) => return Taker::Takes("the controller of GKE".to_owned()),
        Some(Distribution::OpenShift) => {
            return Taker::Takes("the router of OpenShift".to_owned());
        }
        _ => {}
    }
    let stranger = cx
        .all::<IngressClass>()
        .find(|class| crate::ingress::by_controller(&class.controller).is_none());
    match (answer, stranger) {
        (Taker::Nobody, Some(class)) => {
            Taker::Perhaps(format!("controller `{}`", class.controller))
        }
        (answer, _) => answer,
    }
}

fn runs(
    controllers: &[(&'static KnownController, Workload<'_>)],
    wanted: &KnownController,
) -> bool {
    controllers
        .iter()
        .any(|(known, _)| known.name == wanted.name)
}

fn class_names<'a>(cx: &Context<'a>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = cx
        .all::<IngressClass>()
        .map(|class| &*class.meta.name)
        .collect();
    names.into_iter().collect()
}

fn quoted(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(5)
        .map(|name| format!("`{name}`"))
        .collect();
    shown.join(", ")
}

fn tell_classes(finding: &mut Finding, classes: &[&str]) {
    finding.note(match classes {
        [] => "there is no IngressClass at all".to_owned(),
        [only] => format!("the only IngressClass is `{only}`"),
        several => format!("the classes are {}", quoted(several)),
    });
}

fn tell_controllers(
    finding: &mut Finding,
    controllers: &[(&'static KnownController, Workload<'_>)],
) {
    let mut told = BTreeSet::new();
    for (known, workload) in controllers {
        if told.insert(known.name) {
            finding.note(format!(
                "{} runs here ({}); its classes carry the controller `{}`",
                known.name,
                workload.reference(),
                known.controller()
            ));
        }
    }
}

/// The class that is missing, for the one controller that is there.
fn create(name: &str, controllers: &[(&'static KnownController, Workload<'_>)]) -> Fix {
    let names: BTreeSet<&str> = controllers.iter().map(|(known, _)| known.name).collect();
    let (Some((known, _)), 1) = (controllers.first(), names.len()) else {
        return Fix::manual(
            "install an ingress controller, or name the class of the one that runs",
        )
        .command("kubectl get pods -A");
    };
    Fix::manual(format!("create IngressClass `{name}` for {}", known.name)).command(format!(
        "echo '{{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"IngressClass\",\"metadata\":{{\"name\":\"{name}\"}},\
         \"spec\":{{\"controller\":\"{}\"}}}}' | kubectl apply -f -",
        known.controller()
    ))
}
