//! Whether pods may ask the cluster's DNS (catalogue §1.8).
//!
//! Where the cluster DNS is here, its pods on their *resolved* port count (53, or 5353), beside the addresses
//! of its Service and of a `NodeLocal` cache, which only an `ipBlock` can name. Where it is not here (manifests, or a
//! reader who sees one namespace only) any rule that could mean it counts.

use super::{Allow, Direction, Doubt, End, Half, Isolation, Policies, matching, ranges};
use crate::{
    context::Context,
    model::{
        IntOrString, Kind, Labels, NetworkPolicy, Peer, PolicyPort, PolicyRule, Protocol, Service,
        Workload,
    },
    ports::{self, Resolved},
    selector::LabelSelector,
};
use ipnet::IpNet;
use matching::{Match, NAMESPACE_NAME, Socket};
use std::net::IpAddr;

/// Where DNS answers, on a Service as on a cache.
const PORT: i32 = 53;
/// The address that a `NodeLocal` cache listens on by default.
const NODE_LOCAL: &str = "169.254.20.10";
/// Namespaces in which distributions run the cluster DNS.
const NAMESPACES: &[&str] = &["kube-system", "openshift-dns"];
/// Names that the DNS Service has without the usual label.
const SERVICES: &[&str] = &[
    "kube-dns",
    "coredns",
    "rke2-coredns-rke2-coredns",
    "dns-default",
];
/// Ports on which DNS pods listen.
const POD_PORTS: &[i32] = &[53, 5353, 1053, 8053];
/// Ranges from which clusters take addresses.
const CLUSTER_RANGES: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
/// Ranges that count as the cluster's only when a rule names them as such, not as a part of everything: who admits the
/// whole Internet without the private ranges means the outside.
const SPECIAL_RANGES: &[&str] = &["100.64.0.0/10", "169.254.20.10/32"];

/// One group of pods that answer, and their port.
#[derive(Debug, Clone)]
struct Target<'a> {
    pod: Workload<'a>,
    port: i32,
    protocol: Protocol,
}

/// The cluster's DNS as far as it is here.
pub(crate) struct Dns<'c, 'a> {
    policies: Policies<'c, 'a>,
    cx: &'c Context<'a>,
    targets: Vec<Target<'a>>,
    addresses: Vec<IpAddr>,
    service: Option<&'a Service>,
    /// The cluster has a cache on every node.
    node_local: bool,
}

impl<'c, 'a> Dns<'c, 'a> {
    /// Looks for it.
    pub(crate) fn new(cx: &'c Context<'a>) -> Self {
        let mut dns = Self {
            policies: Policies::new(cx),
            cx,
            targets: Vec::new(),
            addresses: Vec::new(),
            service: None,
            node_local: has_node_local(cx),
        };
        if dns.node_local {
            dns.addresses.extend(NODE_LOCAL.parse::<IpAddr>());
        }
        for service in services(cx) {
            dns.add(service);
        }
        dns
    }

    fn add(&mut self, service: &'a Service) {
        self.service = self.service.or(Some(service));
        let addresses = service.cluster_ip.iter().chain(&service.cluster_ips);
        self.addresses
            .extend(addresses.filter_map(|text| text.parse::<IpAddr>().ok()));
        let mut seen: Vec<&Labels> = Vec::new();
        for pod in self.cx.backends(service) {
            // Replicas with other labels would be other targets; equal ones are one.
            if seen.contains(&pod.pod_labels()) {
                continue;
            }
            seen.push(pod.pod_labels());
            for port in service.ports.iter().filter(|port| port.port == PORT) {
                if let Resolved::Port(number) = ports::resolve(pod.spec(), port) {
                    self.targets.push(Target {
                        pod,
                        port: number,
                        protocol: port.protocol.clone(),
                    });
                }
            }
        }
    }

    /// The pods of the cluster DNS are here, so that verdicts are about them and not about what they usually look like.
    pub(crate) fn is_known(&self) -> bool {
        self.cx.on_cluster() && !self.targets.is_empty()
    }

    /// What a rule must name: namespace, labels and port of the DNS pods, as far as known.
    pub(crate) fn peer(&self) -> (String, Vec<(String, String)>, i32) {
        let usual = || {
            (
                NAMESPACES[0].to_owned(),
                vec![("k8s-app".to_owned(), "kube-dns".to_owned())],
                PORT,
            )
        };
        let (Some(service), Some(target)) = (self.service, self.targets.first()) else {
            return usual();
        };
        let labels = service
            .selector
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        (
            service.meta.namespace.to_string(),
            labels.collect(),
            target.port,
        )
    }

    /// Whether the pods of a workload may ask the cluster DNS with a protocol.
    pub(crate) fn egress(&self, workload: Workload<'a>, protocol: &Protocol) -> Half<'a> {
        let mut denied = None;
        let mut unknown = None;
        for target in self
            .targets
            .iter()
            .filter(|target| target.protocol == *protocol)
        {
            let half = self.policies.half(
                Direction::Egress,
                workload.into(),
                target.pod.into(),
                target.port,
                protocol,
            );
            match half {
                Half::Allowed(_) => return half,
                Half::Denied { .. } => denied = denied.or(Some(half)),
                Half::Unknown { .. } => unknown = unknown.or(Some(half)),
            }
        }
        let known = self.is_known() && (denied.is_some() || unknown.is_some());
        let other = self.elsewhere(workload, protocol, known);
        match (other, unknown, denied) {
            (Half::Denied { .. }, Some(unknown), _) => unknown,
            (
                Half::Denied { isolating, closest },
                None,
                Some(Half::Denied {
                    closest: nearer, ..
                }),
            ) => Half::Denied {
                isolating,
                closest: nearer.or(closest),
            },
            (other, _, _) => other,
        }
    }

    /// By address, and by what the DNS usually looks like unless its pods are `known`.
    fn elsewhere(&self, workload: Workload<'a>, protocol: &Protocol, known: bool) -> Half<'a> {
        if let Some(reason) = self.policies.engine_policies(&workload.meta().namespace) {
            return Half::Unknown { reason };
        }
        let isolation = self.policies.isolation(Direction::Egress, workload);
        if isolation.by.is_empty() && isolation.doubt.is_none() {
            return Half::Allowed(Allow::NotIsolated);
        }
        let Isolation { by, mut doubt } = isolation;
        for policy in &by {
            for (index, rule) in Direction::Egress.rules(policy).iter().enumerate() {
                let fits = self.by_address(rule, protocol);
                let fits = if known {
                    fits
                } else {
                    either(fits, self.could_admit(policy, rule, protocol))
                };
                match fits {
                    Match::Yes => return Half::Allowed(Allow::Rule(policy, index)),
                    Match::Maybe(why) => doubt = doubt.or_else(|| Some(why.in_policy(policy))),
                    Match::No => {}
                }
            }
        }
        match doubt {
            Some(reason) => Half::Unknown { reason },
            None => Half::Denied {
                closest: None,
                isolating: by,
            },
        }
    }

    /// A block that covers the Service address or the cache, on port 53. Rules by selector never name an address.
    fn by_address(&self, rule: &PolicyRule, protocol: &Protocol) -> Match {
        let socket = Socket {
            port: PORT,
            protocol,
            pod: None,
        };
        let port = matching::ports(&rule.ports, &socket);
        if port == Match::No {
            return Match::No;
        }
        let blocks = rule.peers.iter().filter_map(|peer| peer.ip_block.as_ref());
        for block in blocks {
            let Some((range, holes)) = matching::parse(block) else {
                return Match::Maybe(Doubt::BadBlock);
            };
            let covers = |address: &IpAddr| {
                range.contains(address) && !holes.iter().any(|hole| hole.contains(address))
            };
            if self.addresses.iter().any(covers) {
                return port;
            }
        }
        Match::No
    }

    /// Whether a rule could mean the DNS of some cluster.
    fn could_admit(&self, policy: &NetworkPolicy, rule: &PolicyRule, protocol: &Protocol) -> Match {
        if !(rule.ports.is_empty()
            || rule
                .ports
                .iter()
                .any(|port| may_be_dns_port(port, protocol)))
        {
            return Match::No;
        }
        let own = &*policy.meta.namespace;
        if rule.peers.is_empty() || rule.peers.iter().any(|peer| self.may_be_dns(own, peer)) {
            return Match::Yes;
        }
        Match::No
    }

    fn may_be_dns(&self, own: &str, peer: &Peer) -> bool {
        if let Some(block) = &peer.ip_block {
            return matching::parse(block)
                .is_none_or(|(range, holes)| covers_cluster(range, &holes));
        }
        let place = match &peer.namespace_selector {
            None => NAMESPACES.contains(&own) || own.contains("dns"),
            Some(selector) => self.may_be_dns_namespace(selector),
        };
        place && peer.pod_selector.as_ref().is_none_or(may_be_dns_pods)
    }

    /// Labels other than the name may be those of the DNS namespace, unless its Namespace object says otherwise.
    fn may_be_dns_namespace(&self, selector: &LabelSelector) -> bool {
        let named =
            |name: &&str| matching::namespace_matches(self.cx, selector, name) != Some(false);
        if NAMESPACES.iter().any(named) {
            return true;
        }
        // Manifests may leave out labels that somebody adds by hand, and DNS may live in a namespace of its own.
        let text = selector.display();
        !self.cx.on_cluster() && (!text.contains(NAMESPACE_NAME) || text.contains("dns"))
    }
}

impl<'a> From<Workload<'a>> for End<'a> {
    fn from(workload: Workload<'a>) -> Self {
        Self::Workload(workload)
    }
}

fn either(one: Match, other: Match) -> Match {
    match (one, other) {
        (Match::Yes, _) | (_, Match::Yes) => Match::Yes,
        (Match::Maybe(doubt), _) | (_, Match::Maybe(doubt)) => Match::Maybe(doubt),
        (Match::No, Match::No) => Match::No,
    }
}

fn may_be_dns_port(port: &PolicyPort, protocol: &Protocol) -> bool {
    if port.protocol != *protocol && !matches!(port.protocol, Protocol::Other(_)) {
        return false;
    }
    match (&port.port, port.end_port) {
        (None, _) => true,
        (Some(IntOrString::Int(first)), last) => {
            let last = last.unwrap_or(*first);
            POD_PORTS
                .iter()
                .any(|known| (*first..=last).contains(known))
        }
        (Some(IntOrString::Text(name)), _) => name.contains("dns") || name.contains("domain"),
    }
}

/// The label of stock clusters, or anything that speaks of DNS.
fn may_be_dns_pods(selector: &LabelSelector) -> bool {
    let stock: Labels = [("k8s-app", "kube-dns")].into_iter().collect();
    selector.matches(&stock) != Some(false) || selector.display().contains("dns")
}

fn covers_cluster(range: IpNet, holes: &[IpNet]) -> bool {
    let any = |known: &[&str]| {
        known
            .iter()
            .filter_map(|text| text.parse::<IpNet>().ok())
            .any(|known| ranges::overlap(range, holes, known))
    };
    any(CLUSTER_RANGES) || (range.prefix_len() >= 8 && any(SPECIAL_RANGES))
}

fn has_node_local(cx: &Context<'_>) -> bool {
    let pairs: Labels = [("k8s-app", "node-local-dns")].into_iter().collect();
    !cx.workloads_with("kube-system", &pairs).is_empty()
}

/// The Services of the cluster DNS: those that were detected, else by label or name and port.
pub(crate) fn services<'a>(cx: &Context<'a>) -> Vec<&'a Service> {
    let stated = &cx.facts().dns_services;
    if !stated.is_empty() {
        return stated
            .iter()
            .flat_map(|(namespace, name)| cx.named::<Service>(namespace, name))
            .collect();
    }
    let candidates = NAMESPACES
        .iter()
        .filter(|namespace| cx.known(Kind::Service, namespace).is_ok());
    let services = candidates.flat_map(|namespace| cx.in_namespace::<Service>(namespace));
    let is_dns = |service: &&Service| {
        let known = service.meta.labels.get("k8s-app") == Some("kube-dns")
            || SERVICES.contains(&&*service.meta.name);
        known && service.ports.iter().any(|port| port.port == PORT)
    };
    services.filter(is_dns).collect()
}
