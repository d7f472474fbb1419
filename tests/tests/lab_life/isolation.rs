//! What keeps a lab apart from the machine, and its hosts apart from one another.

use std::fs;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use netdoctor_lab::network::in_url;
use netdoctor_lab::{Host, HostName, Lab};

/// The network namespaces of the lab hold no interface whose other end is on the machine, and no packet finds a way.
pub(super) fn nothing_reaches_the_machine(lab: &Lab) {
    let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let listener6 = TcpListener::bind(("::", 0)).ok();
    let mut targets = Vec::new();
    for address in addresses_of_the_machine() {
        let listener = match address {
            IpAddr::V4(_) => Some(&listener),
            IpAddr::V6(_) => listener6.as_ref(),
        };
        let Some(listener) = listener else { continue };
        let target = (address, listener.local_addr().unwrap().port());
        // The test would prove nothing if nobody listened.
        TcpStream::connect_timeout(&target.into(), Duration::from_secs(2)).unwrap();
        targets.push(format!("{}:{}", in_url(target.0), target.1));
    }
    assert!(!targets.is_empty());

    let web = lab.containers_of("default", "web").unwrap().remove(0);
    for target in targets {
        let probe = |mut command: Command| {
            let output = command
                .args(["connect", "--timeout=1s", &target])
                .output()
                .unwrap();
            assert!(!output.status.success(), "{target} answers: {command:?}");
        };
        for host in lab.hosts() {
            probe(lab.host(host).command("agnhost"));
        }
        let on_node = lab.host(web.node);
        probe(on_node.command_in_network_of(&web, "agnhost"));
    }

    let own = fs::read_link("/proc/self/ns/net").unwrap();
    for host in lab.hosts() {
        let links = lab
            .host(host)
            .run("ip -o link; readlink /proc/self/ns/net")
            .unwrap()
            .stdout;
        assert!(!links.contains(own.to_str().unwrap()), "{links}");
    }
    // The end of the lab's world: beyond the switch there is nothing.
    let routes = lab
        .host(HostName::Switch)
        .run("ip route; ip -6 route")
        .unwrap()
        .stdout;
    assert!(!routes.contains("default"), "{routes}");
}

fn addresses_of_the_machine() -> Vec<IpAddr> {
    let output = Command::new("ip").args(["-o", "address"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let addresses = text.lines().filter_map(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| !word.starts_with("inet"));
        let address: IpAddr = words.nth(1)?.split('/').next()?.parse().ok()?;
        // A loopback address means the host that uses it, and one with a zone needs that zone.
        let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        (!address.is_loopback() && !link_local).then_some(address)
    });
    addresses.collect()
}

/// What a fault does to the files and settings of a host stays there.
pub(super) fn hosts_are_private(lab: &Lab) {
    let (one, two) = (lab.host(HostName::Node(1)), lab.host(HostName::Node(2)));
    let files = [
        "/usr/lib/cni/bridge",
        "/etc/passwd",
        "/etc/kubernetes/kubelet.yaml",
    ];
    for file in files {
        let moved = format!("mv {file} {file}.away");
        one.run(&moved).unwrap();
        assert!(!one.path(file).exists());
        assert!(two.path(file).exists());
        one.run(&format!("mv {file}.away {file}")).unwrap();
        assert!(one.path(file).exists());
    }
    assert!(fs::exists("/usr/lib/cni/bridge").unwrap());
    assert!(!fs::exists("/etc/kubernetes/kubelet.yaml").unwrap());

    let forwarding = |host: Host<'_>| host.run("sysctl -n net.ipv4.ip_forward").unwrap().stdout;
    one.run("sysctl -qw net.ipv4.ip_forward=0; touch /run/mark; hostname")
        .unwrap();
    assert_eq!((&*forwarding(one), &*forwarding(two)), ("0\n", "1\n"));
    assert!(!fs::exists("/run/mark").unwrap());
    assert_eq!(one.run("hostname").unwrap().stdout, "node-1\n");
    one.run("sysctl -qw net.ipv4.ip_forward=1").unwrap();
}
