//! What the auditor may not see, and what there is not: it goes on with the rest, says what it cannot see, and takes
//! nothing for missing because of that.

use crate::manifests::{EDGE, SERVICE, WEB, good_service, ingress};
use netdoctor_manifests::{Options, names, render};
use netdoctor_tests::webhook::{Settings, Webhook, account};
use netdoctor_tests::{ApiServer, Namespace, Rules, Spec};
use serde_json::{Value, json};
use std::path::PathBuf;

/// An account with the rights of the auditor except for one resource, which an administrator took away.
fn blind_to(server: &ApiServer, resource: &str) -> PathBuf {
    let objects = render(&Options::default());
    let role = objects.iter().find(|object| {
        object["kind"] == "ClusterRole" && object["metadata"]["name"] == names::AUDITOR
    });
    let mut rules = role.expect("the role of the auditor")["rules"].clone();
    let mut taken = 0;
    for rule in rules.as_array_mut().into_iter().flatten() {
        let resources = rule["resources"].as_array_mut().expect("resources");
        let before = resources.len();
        resources.retain(|name| name != resource);
        taken += before - resources.len();
    }
    assert_eq!(taken, 1, "{resource}");
    let own = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]);
    server.kubeconfig_for_service_account(
        names::NAMESPACE,
        &format!("blind-to-{resource}"),
        &Rules {
            cluster: &rules.to_string(),
            namespace: &own.to_string(),
        },
    )
}

/// A cluster in which some things are right, and three are wrong.
struct Town {
    server: ApiServer,
}

impl Town {
    fn start() -> Option<Self> {
        let server = ApiServer::start(&Spec::default())?;
        account::install(&server);
        server.apply(&account::configuration("gracePeriod: 1s"));
        Some(Self { server })
    }

    fn furnish(&self) -> Namespace<'_> {
        let shop = self.server.namespace_called("shop");
        let wrong = SERVICE.replace("{name: web}", "{name: wrong}");
        let never = ingress("never", "number: 80").replace("{name: web, ann", "{name: never, ann");
        let right = ingress("web", "name: http");
        shop.apply(&[WEB, EDGE, &good_service(), &wrong, &right, &never].join("---"));
        shop
    }

    /// An auditor after its first look at everything that it sees.
    fn audit(&self, kubeconfig: Option<PathBuf>) -> Webhook {
        let auditor = Webhook::audit(
            &self.server,
            Settings {
                kubeconfig,
                ..Settings::default()
            },
        );
        auditor.wait("its first pass", || passes(&auditor) > 0);
        auditor
    }
}

fn passes(auditor: &Webhook) -> u64 {
    auditor.count("netdoctor_audit_passes_total", &[])
}

/// Findings of a rule.
fn found(auditor: &Webhook, rule: &str) -> u64 {
    let labels = [&*format!("rule=\"{rule}\"")];
    auditor.count("netdoctor_audit_findings", &labels)
}

/// Reasons of the Events in a namespace, and which object they are about.
fn said(shop: &Namespace<'_>) -> Vec<String> {
    let mut events = crate::stage::events(shop);
    events.sort();
    events
}

/// The lines of a log that say this.
fn lines(auditor: &Webhook, message: &str) -> Vec<Value> {
    let logs = auditor.logs();
    let lines = logs
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["message"] == message)
        .collect()
}

/// Kinds that there are and that are not in sync, without their groups.
fn unseen(auditor: &Webhook) -> Vec<String> {
    let metrics = auditor.metrics();
    let kinds = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("netdoctor_cache_synced{kind=\""))
        .filter_map(|rest| rest.strip_suffix("\"} 0"));
    kinds
        .map(|kind| kind.split('.').next().unwrap_or(kind).to_owned())
        .collect()
}

const UNWATCHED: &str = "not watched; rules about it are unknown";
const UNASKED: &str = "rules that are not asked: what they look at cannot be seen";

/// Asserts that an auditor says of this kind, and of no other that there is, that it may not see it.
fn admits(auditor: &Webhook, kind: &str) {
    let unwatched = lines(auditor, UNWATCHED);
    let line = unwatched.iter().find(|line| line["kind"] == kind);
    let line = line.unwrap_or_else(|| panic!("{kind} is not in {unwatched:#?}"));
    assert_eq!(line["failure"], "forbidden (403)");
    assert_eq!(unseen(auditor), [kind]);
}

#[test]
fn a_kind_that_may_not_be_listed_silences_the_rules_about_it_and_nothing_is_called_missing() {
    let Some(town) = Town::start() else { return };
    let shop = town.furnish();

    // Without Services every Ingress leads nowhere, as far as it can see.
    let blind = town.audit(Some(blind_to(&town.server, "services")));
    admits(&blind, "Service");
    let unasked = lines(&blind, UNASKED);
    let [line] = &unasked[..] else {
        panic!("{unasked:#?}")
    };
    let unasked = line["rules"].as_str().unwrap_or_default();
    assert!(
        unasked.contains("ING001") && unasked.contains("SVC004"),
        "{unasked}"
    );
    assert!(!unasked.contains("HST002"), "{unasked}");
    assert_eq!(found(&blind, "ING001") + found(&blind, "SVC004"), 0);
    blind.wait("the Event about what it sees", || {
        said(&shop).contains(&"HST002 edge".to_owned())
    });
    // Two more looks are longer than the grace period, after which what is missing would be said.
    for note in ["look=again", "look=once-more"] {
        let before = passes(&blind);
        shop.kubectl(&["annotate", "--overwrite", "deployment/web", note])
            .ok();
        blind.wait("another pass", || passes(&blind) > before);
    }
    assert_eq!(said(&shop), ["HST002 edge"]);
    drop(blind);

    // Without Deployments nothing seems to carry the labels that Services ask for.
    let blind = town.audit(Some(blind_to(&town.server, "deployments")));
    admits(&blind, "Deployment");
    assert_eq!(found(&blind, "SVC001") + found(&blind, "SVC004"), 0);
    blind.wait("the Event about what it sees", || {
        said(&shop).contains(&"ING001 never".to_owned())
    });
    assert_eq!(said(&shop), ["HST002 edge", "ING001 never"]);
    drop(blind);

    // Whoever sees everything finds all three, and no more.
    let sighted = town.audit(None);
    sighted.wait("the Events", || said(&shop).len() > 2);
    assert_eq!(said(&shop), ["HST002 edge", "ING001 never", "SVC004 wrong"]);
    assert_eq!(found(&sighted, "SVC001"), 0);
    // The Gateway API is not installed here. That is no trouble and no finding.
    let absent = lines(&sighted, UNWATCHED);
    let gateways = absent.iter().find(|line| line["kind"] == "Gateway");
    assert_eq!(gateways.expect("a line")["failure"], "not found (404)");
    assert_eq!(unseen(&sighted), [""; 0]);
    assert!(!sighted.metrics().contains("kind=\"Gateway"));
    assert_eq!(lines(&sighted, UNASKED), [Value::Null; 0]);
}
