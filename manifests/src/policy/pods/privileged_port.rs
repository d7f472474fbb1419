//! HST009: a non-root container binds a port below 1024 on the node.

use super::super::Names;
use super::super::cel::{host_network, message, protocol, text, windows};
use super::per_port;

/// Nothing lets it bind the port.
pub(super) fn without_capability(names: &Names) -> String {
    found(names, &format!("!{CAPABLE}"))
}

/// A capability that it cannot gain.
pub(super) fn with_capability(names: &Names) -> String {
    found(names, CAPABLE)
}

/// Both: what has the capability now may have lacked it before.
pub(super) fn either(names: &Names) -> String {
    found(names, "true")
}

/// The container is privileged, or adds the capability under one of its names.
const CAPABLE: &str = "(has(c.securityContext) && (has(c.securityContext.privileged) && c.securityContext.privileged \
    || has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add) \
    && c.securityContext.capabilities.add.exists(a, a in ['NET_BIND_SERVICE', 'ALL', 'CAP_NET_BIND_SERVICE', 'CAP_ALL'])))";

/// Nothing keeps the process from gaining the capability from its file.
const EFFECTIVE: &str = "(!has(c.securityContext) || has(c.securityContext.privileged) && c.securityContext.privileged \
    || !has(c.securityContext.allowPrivilegeEscalation) || c.securityContext.allowPrivilegeEscalation)";

fn found(names: &Names, case: &str) -> String {
    let pod = names.pod;
    let user = user(pod);
    let condition = format!(
        "p.containerPort >= 1 && p.containerPort < 1024 && {user} != '' && !({CAPABLE} && {EFFECTIVE}) && {case}"
    );
    let key = format!(
        "c.name + '/' + string(p.containerPort) + '/' + {}",
        protocol("p")
    );
    let fact = format!(
        "\"container \" + c.name + \" of \" + variables.subject + \" declares port \" + string(p.containerPort) + \" on the node's network and runs \" + {user}"
    );
    let fix = text(
        "let the process listen on a port above 1023 and reach it through a Service, or run it as root with every capability dropped except NET_BIND_SERVICE",
    );
    let found = per_port(
        names.serving,
        &condition,
        &key,
        &message("HST009", &fact, &fix),
    );
    format!("!{} || {} ? [] : {found}", host_network(pod), windows(pod))
}

/// How the container is known not to run as root; empty where the image decides, or it is root.
fn user(pod: &str) -> String {
    let field = |owner: &str, field: &str, otherwise: &str| {
        format!(
            "(has({owner}.securityContext) && has({owner}.securityContext.{field}) ? {owner}.securityContext.{field} : {otherwise})"
        )
    };
    // Users are numbers from 0 on: -1 stands for nobody having said.
    let number = field("c", "runAsUser", &field(pod, "runAsUser", "-1"));
    let non_root = field("c", "runAsNonRoot", &field(pod, "runAsNonRoot", "false"));
    format!(
        "({number} > 0 ? 'as user ' + string({number}) : {number} < 0 && {non_root} ? 'as non-root' : '')"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_container_wins() {
        let user = user("variables.pod");
        let own = user.find("has(c.securityContext)").unwrap();
        let pods = user.find("has(variables.pod.securityContext)").unwrap();
        assert!(own < pods);
    }
}
