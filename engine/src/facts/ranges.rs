//! Address ranges of pods and Services.

use super::Fact;
use crate::{
    model::{NetworkSettings, Text},
    rule::Confidence,
    snapshot::Snapshot,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// Ranges that configuration states, then the nodes' own ones, neighbours joined.
///
/// Never certain: Calico and the cloud dataplanes hand out addresses from pools of their own.
pub(super) fn pods(
    snapshot: &Snapshot,
    settings: &[(&NetworkSettings, String)],
) -> Vec<Fact<Text>> {
    let mut found: Vec<Fact<Text>> = Vec::new();
    for (settings, sign) in settings {
        for range in &settings.pod_cidrs {
            push(&mut found, parse(range), Confidence::Likely, sign);
        }
    }
    let of_nodes = snapshot.objects.nodes.iter().flat_map(|node| {
        let single = node.spec.pod_cidr.iter();
        single.chain(&node.spec.pod_cidrs).filter_map(|r| parse(r))
    });
    let stated: Vec<IpNet> = found
        .iter()
        .filter_map(|fact| fact.value.parse().ok())
        .collect();
    // Ranges of nodes that a stated one contains say nothing new.
    let rest: Vec<IpNet> = of_nodes
        .filter(|range| !stated.iter().any(|outer| outer.contains(range)))
        .collect();
    for range in IpNet::aggregate(&rest) {
        push(
            &mut found,
            Some(range),
            Confidence::Likely,
            "podCIDR of nodes",
        );
    }
    found
}

/// `ServiceCIDR` objects are the API's own word; then kubeadm's configuration; then a guess from addresses in use.
pub(super) fn services(
    snapshot: &Snapshot,
    settings: &[(&NetworkSettings, String)],
) -> Vec<Fact<Text>> {
    let mut found: Vec<Fact<Text>> = Vec::new();
    for object in &snapshot.objects.service_cidrs {
        let sign = format!("ServiceCIDR {}", object.meta.name);
        for range in &object.spec.cidrs {
            push(&mut found, parse(range), Confidence::Certain, &sign);
        }
    }
    if !found.is_empty() {
        return found;
    }
    for (settings, sign) in settings {
        for range in &settings.service_cidrs {
            push(&mut found, parse(range), Confidence::Likely, sign);
        }
    }
    if found.is_empty() {
        found.extend(inferred(snapshot));
    }
    found
}

/// The API server takes the first address of the range for the `kubernetes` Service; the range is at least as wide as
/// all addresses in use. How wide it really is cannot be seen.
fn inferred(snapshot: &Snapshot) -> Option<Fact<Text>> {
    let kubernetes = snapshot
        .objects
        .services
        .named("default", "kubernetes")
        .first()?;
    let IpAddr::V4(first) = kubernetes.cluster_ip.as_deref()?.parse().ok()? else {
        return None;
    };
    let used: Vec<std::net::Ipv4Addr> = snapshot
        .objects
        .services
        .iter()
        .filter_map(|service| service.cluster_ip.as_deref()?.parse().ok())
        .collect();
    let network = u32::from(first).checked_sub(1)?;
    let holds_all = |range: &Ipv4Net| used.iter().all(|address| range.contains(address));
    // Widen from /30 on, as long as the range still begins right below the first address.
    let range = (8..=30)
        .rev()
        .filter_map(|length| Ipv4Net::new(network.into(), length).ok())
        .filter(|range| range.network() == range.addr())
        .find(holds_all)?;
    Some(Fact {
        value: range.to_string().into(),
        confidence: Confidence::Hint,
        sign: "inferred from ClusterIPs in use".to_owned(),
    })
}

fn parse(text: &str) -> Option<IpNet> {
    let range: IpNet = text.trim().parse().ok()?;
    Some(range.trunc())
}

fn push(
    found: &mut Vec<Fact<Text>>,
    range: Option<IpNet>,
    confidence: Confidence,
    sign: impl Into<String>,
) {
    let Some(range) = range else { return };
    let value: Text = range.to_string().into();
    if !found.iter().any(|fact| fact.value == value) {
        found.push(Fact {
            value,
            confidence,
            sign: sign.into(),
        });
    }
}

/// Whether an address is one that only a private network uses (RFC 1918, RFC 6598, RFC 4193).
pub(crate) fn is_private(address: IpAddr) -> bool {
    const SHARED: &str = "100.64.0.0/10";
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || SHARED
                    .parse::<Ipv4Net>()
                    .is_ok_and(|range| range.contains(&v4))
        }
        IpAddr::V6(v6) => "fc00::/7"
            .parse::<Ipv6Net>()
            .is_ok_and(|range| range.contains(&v6)),
    }
}
