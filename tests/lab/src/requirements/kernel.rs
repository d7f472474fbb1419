//! Parts of the kernel, each tried in namespaces that are thrown away.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::sentence;
use crate::spec::{Overlay, Spec};

/// One part of the kernel.
struct Part {
    /// For people, with the module that it comes in.
    what: &'static str,
    /// Fails where the part is not there. Runs in new namespaces (network, mounts, processes), as all before it did.
    attempt: &'static str,
    /// Which labs need it.
    needed: fn(&Spec) -> bool,
}

const fn always(_: &Spec) -> bool {
    true
}

const PARTS: [Part; 12] = [
    Part {
        what: "bridges (bridge)",
        attempt: "ip link add probe-bridge type bridge",
        needed: always,
    },
    Part {
        what: "virtual Ethernet pairs (veth)",
        attempt: "ip link add probe-a type veth peer name probe-b",
        needed: always,
    },
    Part {
        what: "VXLAN (vxlan)",
        attempt: "ip link add probe-vxlan type vxlan id 1 dstport 8472 nolearning",
        needed: |spec| spec.overlay == Overlay::Vxlan,
    },
    Part {
        what: "packet filters on bridges (br_netfilter)",
        attempt: "test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
        needed: always,
    },
    Part {
        what: "nftables with NAT (nf_tables, nft_chain_nat, nft_masq)",
        attempt: "nft 'add table ip probe; add chain ip probe probe { type nat hook postrouting priority 100; }; \
                  add rule ip probe probe ct state new counter masquerade'",
        needed: always,
    },
    Part {
        what: "nftables for bridges (nf_tables_bridge)",
        attempt: "nft 'add table bridge probe; add chain bridge probe probe { type filter hook forward priority 0; }; \
                  add rule bridge probe probe ip protocol udp udp dport 8472 drop'",
        needed: always,
    },
    Part {
        what: "the matches of iptables that kube-proxy uses (xt_conntrack, xt_comment, xt_mark, xt_statistic, xt_MASQUERADE)",
        attempt: "iptables -t nat -A POSTROUTING -m comment --comment probe -m mark --mark 1 \
                  -m statistic --mode random --probability 0.5 -j MASQUERADE && \
                  iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
        needed: always,
    },
    Part {
        what: "NAT for IPv6 (ip6table_nat)",
        attempt: "ip6tables -t nat -A POSTROUTING -m comment --comment probe -j MASQUERADE",
        needed: |spec| spec.dual_stack,
    },
    Part {
        what: "sets of addresses (ip_set)",
        attempt: "ipset create probe hash:ip",
        needed: always,
    },
    Part {
        what: "overlay file systems (overlay)",
        attempt: "mount -t tmpfs probe /mnt && mkdir /mnt/lower /mnt/upper /mnt/work /mnt/all && \
                  mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work probe /mnt/all",
        needed: always,
    },
    Part {
        what: "control groups that can be written, with cpu, cpuset, memory and pids",
        // Version 2 lists its controllers in a file; version 1 has a folder for each. Two that look at the same time have
        // the same process id in their namespaces, so that this is no name.
        attempt: "cd /sys/fs/cgroup && \
                  if test -e cgroup.controllers; \
                  then for name in cpu cpuset memory pids; do grep -qw $name cgroup.controllers || exit 1; done; \
                  else cd cpu && cd ../cpuset && cd ../pids && cd ../memory; \
                  fi && rmdir $(mktemp -d netdoctor-probe.XXXXXXXX)",
        needed: always,
    },
    Part {
        what: "its log (/dev/kmsg)",
        attempt: "exec 4</dev/kmsg",
        needed: always,
    },
];

/// Modules that nothing loads on demand.
const MODULES: &str = "br_netfilter overlay";

pub(super) fn check(spec: &Spec) -> Result<()> {
    let needed: Vec<_> = PARTS.iter().filter(|part| (part.needed)(spec)).collect();
    let missing = missing(&needed)?;
    ensure!(
        missing.is_empty(),
        "the kernel lacks {}, which the test lab needs: load the modules in brackets with modprobe, or take a kernel of a distribution",
        sentence(&missing)
    );
    Ok(())
}

/// The names of those that do not work here.
fn missing<'part>(parts: &[&'part Part]) -> Result<Vec<&'part str>> {
    let attempts = parts.iter().enumerate().map(|(number, part)| {
        format!(
            "( {} ) >/dev/null 2>&1 </dev/null || echo {number}\n",
            part.attempt
        )
    });
    let script = format!(
        "for module in {MODULES}; do modprobe -q $module 2>/dev/null; done\n{}",
        attempts.collect::<String>()
    );
    let mut child = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--uts",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args(["--propagation", "private", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running unshare")?;
    if let Some(mut input) = child.stdin.take() {
        // Where namespaces cannot be made nobody reads this; the exit code says so below.
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().context("running unshare")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !said.starts_with("unshare:"),
        "the test lab needs namespaces for networks, mounts, host names and processes: {}",
        said.trim()
    );
    let numbers = String::from_utf8_lossy(&output.stdout);
    let missing = numbers
        .lines()
        .filter_map(|line| parts.get(line.parse::<usize>().ok()?));
    Ok(missing.map(|part| part.what).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_work_is_named() {
        if super::super::privileges().is_err() {
            eprintln!("skipped: needs root");
            return;
        }
        let part = |what, attempt| Part {
            what,
            attempt,
            needed: always,
        };
        let parts = [
            part("nothing", "true"),
            part(
                "a device that nobody has",
                "ip link add probe type no-such-device",
            ),
            part("quiet failures", "echo 0; echo 1 >&2; exit 3"),
            part("nothing either", "cat"),
        ];
        let missing = missing(&parts.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(missing, ["a device that nobody has", "quiet failures"]);
    }

    #[test]
    fn only_what_a_lab_uses_is_asked_for() {
        let asked = |spec: &Spec| {
            let parts = PARTS.iter().filter(|part| (part.needed)(spec));
            parts.map(|part| part.what).collect::<Vec<_>>().join("; ")
        };
        let vxlan = asked(&Spec::default());
        assert!(
            vxlan.contains("VXLAN") && !vxlan.contains("IPv6"),
            "{vxlan}"
        );
        let routed = asked(&Spec {
            overlay: Overlay::HostGw,
            dual_stack: true,
            ..Spec::default()
        });
        assert!(
            !routed.contains("VXLAN") && routed.contains("IPv6"),
            "{routed}"
        );
    }
}
