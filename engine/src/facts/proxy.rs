//! Who serves `ClusterIPs`, and how.

use super::{Dataplane, Fact, agent};
use crate::{
    model::{Kind, NetworkSettings, Text},
    rule::Confidence,
    snapshot::{Snapshot, Source},
};

/// A kube-proxy that is there outranks what the dataplane could do; without any sign the mode is unknown.
pub(super) fn detect(
    snapshot: &Snapshot,
    embedded: bool,
    dataplane: Option<Dataplane>,
    settings: &[(&NetworkSettings, String)],
) -> Option<Fact<Text>> {
    if snapshot.source == Source::Files {
        return None;
    }
    let fact = |value: &str, confidence, sign: &str| {
        Some(Fact {
            value: value.into(),
            confidence,
            sign: sign.to_owned(),
        })
    };
    if let Some(sign) = running(snapshot) {
        let configured = settings
            .iter()
            .find_map(|(settings, sign)| Some((settings.proxy_mode.as_deref()?, sign)));
        return match configured {
            Some((mode @ ("ipvs" | "nftables" | "iptables"), sign)) => {
                fact(mode, Confidence::Likely, sign)
            }
            // The default on Linux.
            Some((_, sign)) => fact("iptables", Confidence::Likely, sign),
            None => fact("iptables", Confidence::Hint, &sign),
        };
    }
    let replaced = settings
        .iter()
        .find(|(settings, _)| settings.proxy_replaced);
    if let Some((_, sign)) = replaced {
        return fact("replaced", Confidence::Likely, sign);
    }
    let seen = snapshot.known(Kind::Pod, "kube-system").is_ok();
    let can_replace = matches!(
        dataplane,
        Some(Dataplane::Cilium | Dataplane::OvnKubernetes | Dataplane::KubeRouter)
    );
    if embedded {
        fact("embedded", Confidence::Likely, "distribution")
    } else if can_replace && seen {
        fact(
            "replaced",
            Confidence::Hint,
            "no kube-proxy beside this dataplane",
        )
    } else {
        None
    }
}

/// The `DaemonSets` of kube-proxy, namespace and name.
pub(super) fn sets(snapshot: &Snapshot) -> Vec<(Text, Text)> {
    let controllers = snapshot.objects.controllers.in_namespace("kube-system");
    let proxies = controllers.iter().filter(|set| {
        set.kind == Some(Kind::DaemonSet)
            && set.status.desired_number_scheduled > 0
            && agent::is_kube_proxy(&set.template.labels, &set.template.spec)
    });
    proxies
        .map(|set| (set.meta.namespace.clone(), set.meta.name.clone()))
        .collect()
}

/// The `DaemonSet`, or static pods, of kube-proxy.
fn running(snapshot: &Snapshot) -> Option<String> {
    if let Some((namespace, name)) = sets(snapshot).first() {
        return Some(format!("DaemonSet {namespace}/{name}"));
    }
    let pods = snapshot.objects.pods.in_namespace("kube-system");
    let pod = pods
        .iter()
        .find(|pod| agent::is_kube_proxy(&pod.meta.labels, &pod.spec))?;
    Some(format!("Pod {}", pod.meta))
}
