//! The host outside of the cluster: a web server, and the DNS that CoreDNS forwards to.

use std::net::IpAddr;

use anyhow::Result;

use crate::lab::Lab;
use crate::network::{OUTSIDE_NAME, address, address6};
use crate::spec::HostName;
use crate::template::fill;

/// In the order in which they start.
pub(crate) const COMPONENTS: [&str; 2] = ["dns", "web"];

const COREFILE: &str = "/etc/outside.Corefile";

pub(crate) fn prepare(lab: &Lab) -> Result<()> {
    lab.host(HostName::Internet)
        .write(COREFILE, &corefile(lab.spec().dual_stack))
}

fn corefile(dual_stack: bool) -> String {
    let host = HostName::Internet;
    let mut entries = answer("A", address(host).into());
    if dual_stack {
        entries += &answer("AAAA", address6(host).into());
    }
    fill(
        include_str!("../templates/outside.Corefile"),
        &[("entries", entries.trim_end())],
    )
}

/// CoreDNS asks its `template` plugin before all others, so this is where names come from too. Every name below the one
/// that is known has its addresses: who asks for a new one gets an answer that is in no cache.
fn answer(kind: &str, address: IpAddr) -> String {
    format!(
        "    template IN {kind} {OUTSIDE_NAME} {{\n        \
             answer \"{{{{ .Name }}}} 60 IN {kind} {address}\"\n    }}\n"
    )
}

/// The program and the arguments of a component.
pub(crate) fn arguments(component: &str) -> Option<Vec<String>> {
    let arguments: &[&str] = match component {
        "dns" => &["/run/netdoctor-lab/coredns/coredns", "-conf", COREFILE],
        "web" => &["agnhost", "netexec", "--http-port=80", "--udp-port=8081"],
        _ => return None,
    };
    Some(arguments.iter().map(|word| (*word).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_has_an_address_per_family() {
        assert!(corefile(false).contains("answer \"{{ .Name }} 60 IN A 203.0.113.53\"\n"));
        assert!(!corefile(false).contains("2001:"));
        assert!(corefile(true).contains("answer \"{{ .Name }} 60 IN AAAA 2001:db8:113::53\"\n"));
        assert!(!crate::template::has_gap(&corefile(true)));
    }
}
