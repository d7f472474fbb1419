//! What `ConfigMaps` of the cluster's own components say about its network, read by key while decoding: the texts
//! themselves are not kept.

use super::Text;
use serde::Deserialize;
use serde_json::{Value, json};

/// Settings of the pod network, the service proxy and DNS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkSettings {
    /// Ranges that pods get addresses from.
    pub pod_cidrs: Vec<Text>,
    /// Ranges that Services get addresses from.
    pub service_cidrs: Vec<Text>,
    /// DNS domain of the cluster.
    pub cluster_domain: Option<Text>,
    /// `vxlan`, `ipip`, `wireguard`, `geneve`, `none`.
    pub encapsulation: Option<Text>,
    /// kube-proxy's `mode`; empty text for its default.
    pub proxy_mode: Option<Text>,
    /// The dataplane serves Services itself, so that no kube-proxy is needed.
    pub proxy_replaced: bool,
}

impl NetworkSettings {
    /// Reads the keys that are known; `None` when there is none among them.
    pub fn of<'a>(data: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut settings = Self::default();
        for (key, value) in data {
            settings.read(key, value);
        }
        (settings != Self::default()).then_some(settings)
    }

    /// The form in which a saved snapshot holds it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "podCidrs": self.pod_cidrs,
            "serviceCidrs": self.service_cidrs,
            "clusterDomain": self.cluster_domain,
            "encapsulation": self.encapsulation,
            "proxyMode": self.proxy_mode,
            "proxyReplaced": self.proxy_replaced,
        })
    }

    fn read(&mut self, key: &str, value: &str) {
        match key {
            // flannel, canal
            "net-conf.json" => self.flannel(value),
            // kubeadm
            "ClusterConfiguration" => {
                self.cluster_domain = field(value, "dnsDomain").map(Into::into);
                self.pod_cidrs.extend(ranges(field(value, "podSubnet")));
                self.service_cidrs
                    .extend(ranges(field(value, "serviceSubnet")));
            }
            // kube-proxy
            "config.conf" if value.contains("KubeProxyConfiguration") => {
                self.proxy_mode = Some(field(value, "mode").unwrap_or_default().into());
                self.pod_cidrs.extend(ranges(field(value, "clusterCIDR")));
            }
            "Corefile" => self.cluster_domain = corefile_domain(value).map(Into::into),
            // Cilium
            "kube-proxy-replacement" => self.proxy_replaced = matches!(value, "true" | "strict"),
            "cluster-pool-ipv4-cidr" | "cluster-pool-ipv6-cidr" => {
                self.pod_cidrs.extend(ranges(Some(value)));
            }
            "routing-mode" if value == "native" => self.encapsulation = Some("none".into()),
            "tunnel-protocol" | "tunnel" if self.encapsulation.is_none() => {
                self.encapsulation = encapsulation(value);
            }
            // Antrea
            "antrea-agent.conf" => {
                self.encapsulation = match field(value, "trafficEncapMode") {
                    Some("noEncap") => Some("none".into()),
                    _ => encapsulation(field(value, "tunnelType").unwrap_or("geneve")),
                };
            }
            // Calico: `bird` says nothing about the encapsulation
            "calico_backend" if value == "vxlan" => self.encapsulation = Some("vxlan".into()),
            _ => {}
        }
    }

    fn flannel(&mut self, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return;
        };
        for key in ["Network", "IPv6Network"] {
            self.pod_cidrs
                .extend(ranges(value.get(key).and_then(Value::as_str)));
        }
        let backend = value.pointer("/Backend/Type").and_then(Value::as_str);
        self.encapsulation = backend.and_then(encapsulation);
    }
}

/// The encapsulation behind the name of a backend or tunnel; `None` for names that are unknown.
pub(crate) fn encapsulation(backend: &str) -> Option<Text> {
    Some(
        match backend {
            "vxlan" => "vxlan",
            "ipip" => "ipip",
            "geneve" => "geneve",
            "wireguard" | "wireguard-native" => "wireguard",
            "host-gw" | "disabled" => "none",
            _ => return None,
        }
        .into(),
    )
}

/// The value of the first line `name: value` of a YAML text, at any depth. Comments do not count.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?.strip_prefix(':')?;
        let value = rest.split(" #").next().unwrap_or(rest).trim();
        let value = value.trim_matches(['"', '\'']);
        (!value.is_empty()).then_some(value)
    })
}

/// Dual-stack settings list two ranges.
fn ranges(text: Option<&str>) -> Vec<Text> {
    let parts = text.unwrap_or_default().split([',', ' ']);
    parts
        .filter(|part| part.parse::<ipnet::IpNet>().is_ok())
        .map(Into::into)
        .collect()
}

/// The first zone of the `kubernetes` plugin of `CoreDNS`.
fn corefile_domain(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() != Some("kubernetes") {
            return None;
        }
        let zone = words.next()?.trim_end_matches('.');
        let named = zone.starts_with(|c: char| c.is_ascii_alphanumeric());
        let reverse = zone.rsplit('.').next() == Some("arpa");
        (named && !reverse).then_some(zone)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, value: &str) -> Option<NetworkSettings> {
        NetworkSettings::of([(key, value)].into_iter())
    }

    #[test]
    fn flannel_and_kubeadm_name_ranges_and_backend() {
        let flannel = of(
            "net-conf.json",
            r#"{"Network": "10.244.0.0/16", "Backend": {"Type": "host-gw"}}"#,
        )
        .unwrap();
        assert_eq!(flannel.pod_cidrs, ["10.244.0.0/16"]);
        assert_eq!(flannel.encapsulation.as_deref(), Some("none"));
        let text = "networking:\n  dnsDomain: corp.test\n  podSubnet: 10.1.0.0/16,fd00::/48\n  serviceSubnet: \"10.2.0.0/16\" # x\n";
        let kubeadm = of("ClusterConfiguration", text).unwrap();
        assert_eq!(kubeadm.cluster_domain.as_deref(), Some("corp.test"));
        assert_eq!(kubeadm.pod_cidrs.len(), 2);
        assert_eq!(kubeadm.service_cidrs, ["10.2.0.0/16"]);
    }

    #[test]
    fn the_corefile_names_the_domain_and_an_environment_variable_does_not() {
        let corefile = |zone: &str| {
            format!(".:53 {{\n    kubernetes {zone} in-addr.arpa ip6.arpa {{\n    }}\n}}\n")
        };
        let domain = |zone: &str| of("Corefile", &corefile(zone)).and_then(|s| s.cluster_domain);
        assert_eq!(domain("corp.test.").as_deref(), Some("corp.test"));
        assert_eq!(domain("__PILLAR__DNS__DOMAIN__"), None);
        assert_eq!(domain("in-addr.arpa"), None);
    }

    #[test]
    fn broken_and_foreign_texts_say_nothing() {
        assert_eq!(of("net-conf.json", "{"), None);
        assert_eq!(of("config.conf", "mode: fast"), None);
        assert_eq!(of("nginx.conf", "server {}"), None);
        assert_eq!(of("cluster-pool-ipv4-cidr", "not a range"), None);
    }

    #[test]
    fn cilium_native_routing_outranks_the_tunnel_protocol_it_does_not_use() {
        let data = [("routing-mode", "native"), ("tunnel-protocol", "vxlan")];
        let settings = NetworkSettings::of(data.into_iter()).unwrap();
        assert_eq!(settings.encapsulation.as_deref(), Some("none"));
    }
}
