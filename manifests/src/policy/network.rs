//! Rules about Services, autoscalers and network policies.

use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::Severity;

use super::cel::{PLACE, finding, message, only_if, or, protocol, text};
use super::{Expressed, Names};

/// What is expressed, in code order.
pub(super) const EXPRESSED: &[Expressed] = &[
    Expressed {
        code: "HST011",
        case: None,
        severity: Severity::Error,
        kinds: &[Kind::HorizontalPodAutoscaler],
        found: targets_daemon_set,
        known: None,
        leaves_out: "",
    },
    Expressed {
        code: "POL007",
        case: None,
        severity: Severity::Error,
        kinds: &[Kind::NetworkPolicy],
        found: ignored_rules,
        known: None,
        leaves_out: "",
    },
    Expressed {
        code: "SVC018",
        case: None,
        severity: Severity::Warning,
        kinds: &[Kind::Service],
        found: headless_remaps,
        known: None,
        leaves_out: "ports that are targeted by name",
    },
    Expressed {
        code: "SVC019",
        case: Some("address"),
        severity: Severity::Warning,
        kinds: &[Kind::Service],
        found: external_address,
        known: Some(external_name),
        leaves_out: "",
    },
    Expressed {
        code: "SVC019",
        case: Some("localhost"),
        severity: Severity::Warning,
        kinds: &[Kind::Service],
        found: external_localhost,
        known: None,
        leaves_out: "",
    },
    Expressed {
        code: "SVC019",
        case: Some("loop"),
        severity: Severity::Warning,
        kinds: &[Kind::Service],
        found: external_loop,
        known: Some(external_name),
        leaves_out: "circles through other Services, and cluster domains other than cluster.local",
    },
    Expressed {
        code: "SVC019",
        case: Some("selector"),
        severity: Severity::Info,
        kinds: &[Kind::Service],
        found: external_selector,
        known: None,
        leaves_out: "",
    },
];

fn targets_daemon_set(names: &Names) -> String {
    let target = format!("{}.spec.scaleTargetRef", names.object);
    let condition = format!(
        "has({object}.spec) && {target}.kind == 'DaemonSet' && (!has({target}.apiVersion) || {target}.apiVersion.matches('^((apps|extensions)/.*|[^/]*)$'))",
        object = names.object
    );
    let fact = format!(
        "\"autoscaler \" + {PLACE} + \" targets DaemonSet \" + {target}.name + \", which has no replicas to change\""
    );
    let fix = text("remove the autoscaler, or make the target a Deployment without host ports");
    only_if(&condition, "''", &message("HST011", &fact, &fix))
}

/// The API server fills `policyTypes` in from the rules where it is absent.
fn ignored_rules(names: &Names) -> String {
    let spec = format!("{}.spec", names.object);
    let direction = |field: &str, name: &str| {
        let count = format!("size({spec}.{field})");
        let fact = format!(
            "\"{field} of NetworkPolicy \" + object.metadata.name + \" has \" + ({count} == 1 ? \"1 rule\" : string({count}) + \" rules\") + \", but policyTypes is [\" + {spec}.policyTypes.join(', ') + \"], so they do nothing\""
        );
        let fix = text(&format!(
            "add {name} to policyTypes; that starts to isolate the pods"
        ));
        format!(
            "(has({object}.spec) && has({spec}.policyTypes) && has({spec}.{field}) && {count} > 0 && !('{name}' in {spec}.policyTypes) ? [{}] : [])",
            finding(&text(field), &message("POL007", &fact, &fix)),
            object = names.object,
        )
    };
    format!(
        "[{}, {}]",
        direction("ingress", "Ingress"),
        direction("egress", "Egress")
    )
}

fn headless_remaps(names: &Names) -> String {
    let spec = format!("{}.spec", names.object);
    let number = format!("string(p.port) + '/' + {}", protocol("p"));
    let label =
        format!("(has(p.name) && p.name != '' ? p.name + ' (' + {number} + ')' : {number})");
    let key = format!("(has(p.name) && p.name != '' ? p.name : {number})");
    let fact = format!(
        "\"port \" + {label} + \" of Service \" + {PLACE} + \" leads to \" + string(p.targetPort) + \", but the Service is headless and nothing translates the port\""
    );
    let taken = format!(
        "{spec}.ports.exists(q, q.port == p.targetPort && {} == {})",
        protocol("q"),
        protocol("p")
    );
    let fix = format!(
        "({taken} ? \"create the Service without clusterIP: None, so that a proxy translates the port\" : \"publish the port as \" + string(p.targetPort))"
    );
    let headless = format!("has({spec}.clusterIP) && {spec}.clusterIP == 'None'");
    format!(
        "[has({object}.spec) && has({spec}.ports) && {headless} && has({spec}.selector) && size({spec}.selector) > 0 && {} != 'ExternalName' \
         ? {spec}.ports.filter(p, has(p.targetPort) && type(p.targetPort) == int && p.targetPort != p.port).map(p, {}) : []]",
        or(&spec, "type", "'ClusterIP'"),
        finding(&key, &message("SVC018", &fact, &fix)),
        object = names.object,
    )
}

/// The external name without its last dots, in lower case; empty for other Services.
fn host(names: &Names) -> String {
    let spec = format!("{}.spec", names.object);
    format!(
        "(has({object}.spec) && {} == 'ExternalName' && has({spec}.externalName) ? {spec}.externalName.lowerAscii().find('^.*[^.]') : '')",
        or(&spec, "type", "''"),
        object = names.object,
    )
}

fn is_address(names: &Names) -> String {
    format!("isIP({})", host(names))
}

fn is_localhost(names: &Names) -> String {
    let host = host(names);
    format!("({host} in ['localhost', 'localhost.localdomain'] || {host}.endsWith('.localhost'))")
}

/// All that can be wrong with the name: one fault in the place of another that weighs as much is no news.
fn external_name(names: &Names) -> String {
    let own = own_names();
    let condition = format!(
        "{} || {} || {} in {own}",
        is_address(names),
        is_localhost(names),
        host(names)
    );
    only_if(&condition, "'externalName'", "''")
}

/// How the Service itself is called.
fn own_names() -> String {
    let own = "object.metadata.name + '.' + request.namespace + '.svc'";
    format!("[{own}, {own} + '.cluster.local']")
}

fn external_address(names: &Names) -> String {
    let fact = format!(
        "\"Service \" + {PLACE} + \" has the address \" + {}.spec.externalName + \" as its external name\"",
        names.object
    );
    let fix = text("use a Service without selector and an EndpointSlice that holds the address");
    only_if(
        &is_address(names),
        "'externalName'",
        &message("SVC019", &fact, &fix),
    )
}

fn external_localhost(names: &Names) -> String {
    let fact = format!(
        "\"Service \" + {PLACE} + \" has \" + {}.spec.externalName + \" as its external name\"",
        names.object
    );
    let fix = text("name the host that serves, or delete the Service");
    only_if(
        &is_localhost(names),
        "'externalName'",
        &message("SVC019", &fact, &fix),
    )
}

fn external_loop(names: &Names) -> String {
    let condition = format!("{} in {}", host(names), own_names());
    let fact = format!("\"Service \" + {PLACE} + \" is its own external name\"");
    let fix = text("name the host that serves");
    only_if(
        &condition,
        "'externalName'",
        &message("SVC019", &fact, &fix),
    )
}

fn external_selector(names: &Names) -> String {
    let spec = format!("{}.spec", names.object);
    let condition = format!(
        "has({object}.spec) && {} == 'ExternalName' && has({spec}.selector) && size({spec}.selector) > 0",
        or(&spec, "type", "''"),
        object = names.object,
    );
    let fact = format!(
        "\"Service \" + {PLACE} + \" of type ExternalName has a selector, which nothing reads\""
    );
    let fix = text("remove the selector, or the type");
    only_if(&condition, "'selector'", &message("SVC019", &fact, &fix))
}
