//! Facts of real kinds of clusters, each reduced to the signs that it shows through the API.

use super::*;
use crate::testkit::{forbid, read};

fn facts(yaml: &str) -> Facts {
    read(yaml, Source::Cluster, |_| {}).0.facts
}

fn value<T: Copy>(fact: Option<&Fact<T>>) -> Option<T> {
    fact.map(|fact| fact.value)
}

const K3S: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: server-1
  labels: {node.kubernetes.io/instance-type: k3s}
  annotations:
    k3s.io/internal-ip: 10.0.0.1
    flannel.alpha.coreos.com/backend-type: vxlan
    flannel.alpha.coreos.com/public-ip: 10.0.0.1
spec: {podCIDR: 10.42.0.0/24, podCIDRs: [10.42.0.0/24], providerID: "k3s://server-1"}
status: {nodeInfo: {kubeletVersion: v1.31.4+k3s1}}
---
apiVersion: v1
kind: Node
metadata: {name: agent-1, annotations: {flannel.alpha.coreos.com/backend-type: vxlan}}
spec: {podCIDR: 10.42.1.0/24, podCIDRs: [10.42.1.0/24]}
status: {nodeInfo: {kubeletVersion: v1.31.4+k3s1}}
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.43.0.1, ports: [{port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: 10.43.0.10, selector: {k8s-app: kube-dns}, ports: [{port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  Corefile: |
    .:53 {
        kubernetes corp.test in-addr.arpa ip6.arpa {
        }
    }
"#;

#[test]
fn kubeskoop_213_k3s_has_a_dataplane_and_a_proxy_without_any_pod() {
    let facts = facts(K3S);
    assert_eq!(value(facts.distribution.as_ref()), Some(Distribution::K3s));
    assert_eq!(value(facts.dataplane.as_ref()), Some(Dataplane::Flannel));
    assert_eq!(facts.encapsulation.unwrap().value, "vxlan");
    assert_eq!(facts.proxy_mode.unwrap().value, "embedded");
    assert_eq!(facts.cluster_domain.unwrap().value, "corp.test");
    assert_eq!(facts.nodes, Some(2));
    assert_eq!(
        facts.dns_services,
        [("kube-system".into(), "kube-dns".into())]
    );
    let pods: Vec<&str> = facts.pod_cidrs.iter().map(|fact| &*fact.value).collect();
    assert_eq!(pods, ["10.42.0.0/23"]);
    let [services] = &facts.service_cidrs[..] else {
        panic!("{:?}", facts.service_cidrs)
    };
    assert_eq!(services.confidence, Confidence::Hint);
    let range: ipnet::IpNet = services.value.parse().unwrap();
    assert!(range.contains(&"10.43.0.10".parse::<std::net::IpAddr>().unwrap()));
}

#[test]
fn k3d_nodes_are_k3s_nodes_in_containers() {
    let facts = facts(&K3S.replace("name: server-1", "name: k3d-dev-server-0"));
    assert_eq!(value(facts.distribution.as_ref()), Some(Distribution::K3d));
}

#[test]
fn a_dataplane_that_replaced_flannel_outranks_its_stale_annotations() {
    let set = agent(
        "calico-node",
        "calico-system",
        "calico-node",
        "quay.io/calico/node:v3.29",
    );
    let facts = facts(&format!("{K3S}{set}"));
    assert_eq!(value(facts.dataplane.as_ref()), Some(Dataplane::Calico));
    assert_eq!(facts.dataplane_namespaces, ["calico-system"]);
    assert_eq!(facts.encapsulation, None);
}

fn agent(name: &str, namespace: &str, container: &str, image: &str) -> String {
    format!(
        r#"
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: {namespace}, generation: 1}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {container}, image: "{image}"}}]}}
status: {{observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, numberReady: 2}}
"#
    )
}

fn node(version: &str, extra: &str) -> String {
    format!(
        r"
apiVersion: v1
kind: Node
metadata: {{name: node-1, {extra}}}
status: {{nodeInfo: {{kubeletVersion: {version}}}}}
"
    )
}

#[test]
fn kubeskoop_213_rke2_is_canal_with_static_kube_proxy_pods() {
    let yaml = node("v1.31.4+rke2r1", "labels: {}")
        + r#"
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: rke2-canal, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: canal}}
  template:
    metadata: {labels: {k8s-app: canal}}
    spec:
      containers:
        - {name: calico-node, image: "rancher/hardened-calico:v3.29"}
        - {name: kube-flannel, image: "rancher/hardened-flannel:v0.26"}
status: {desiredNumberScheduled: 1, numberReady: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: kube-proxy-node-1, namespace: kube-system, labels: {component: kube-proxy, tier: control-plane}}
spec: {nodeName: node-1, containers: [{name: kube-proxy, image: rancher/hardened-kubernetes}]}
---
apiVersion: v1
kind: Service
metadata: {name: rke2-coredns-rke2-coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: 10.43.0.10, selector: {k8s-app: kube-dns}, ports: [{port: 53, protocol: UDP}]}
"#;
    let facts = facts(&yaml);
    assert_eq!(value(facts.distribution.as_ref()), Some(Distribution::Rke2));
    assert_eq!(value(facts.dataplane.as_ref()), Some(Dataplane::Canal));
    assert_eq!(facts.proxy_mode.unwrap().value, "iptables");
    assert_eq!(&*facts.dns_services[0].1, "rke2-coredns-rke2-coredns");
}

#[test]
fn kubeskoop_213_microk8s_embeds_its_proxy() {
    let yaml = node(
        "v1.31.4",
        "labels: {microk8s.io/cluster: 'true'}, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24, projectcalico.org/IPv4VXLANTunnelAddr: 10.1.0.1}",
    );
    let facts = facts(&yaml);
    assert_eq!(
        value(facts.distribution.as_ref()),
        Some(Distribution::MicroK8s)
    );
    assert_eq!(value(facts.dataplane.as_ref()), Some(Dataplane::Calico));
    assert_eq!(facts.encapsulation.unwrap().value, "vxlan");
    assert_eq!(facts.proxy_mode.unwrap().value, "embedded");
}

#[test]
fn kubeskoop_213_managed_clouds() {
    let eks = node("v1.31.2-eks-94953ac", "labels: {}")
        + &agent(
            "aws-node",
            "kube-system",
            "aws-node",
            "602401143452.dkr.ecr.test/amazon-k8s-cni:v1.19",
        )
        + &agent(
            "calico-node",
            "calico-system",
            "calico-node",
            "quay.io/calico/node:v3.29",
        );
    let found = facts(&eks);
    assert_eq!(value(found.distribution.as_ref()), Some(Distribution::Eks));
    assert_eq!(
        value(found.dataplane.as_ref()),
        Some(Dataplane::CloudNative)
    );
    let gke = node("v1.31.2-gke.1000", "labels: {}")
        + &agent(
            "anetd",
            "kube-system",
            "cilium-agent",
            "gke.gcr.test/cilium/cilium:v1.14",
        );
    let found = facts(&gke);
    assert_eq!(value(found.distribution.as_ref()), Some(Distribution::Gke));
    assert_eq!(value(found.dataplane.as_ref()), Some(Dataplane::Cilium));
    assert_eq!(found.proxy_mode.unwrap().value, "replaced");
    let found = facts(&node(
        "v1.31.2",
        "labels: {kubernetes.azure.com/cluster: x}",
    ));
    assert_eq!(value(found.distribution.as_ref()), Some(Distribution::Aks));
    let guess = found.dataplane.unwrap();
    assert_eq!(
        (guess.value, guess.confidence),
        (Dataplane::CloudNative, Confidence::Hint)
    );
}

#[test]
fn kubeskoop_213_cilium_without_kube_proxy_needs_no_config_map_of_it() {
    let yaml = node(
        "v1.31.2",
        "annotations: {kubeadm.alpha.kubernetes.io/cri-socket: x}",
    ) + &agent(
        "cilium",
        "kube-system",
        "cilium-agent",
        "quay.io/cilium/cilium:v1.16",
    ) + r#"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {kube-proxy-replacement: "true", routing-mode: tunnel, tunnel-protocol: geneve, cluster-pool-ipv4-cidr: 10.0.0.0/8}
"#;
    let facts = facts(&yaml);
    assert_eq!(value(facts.dataplane.as_ref()), Some(Dataplane::Cilium));
    let proxy = facts.proxy_mode.unwrap();
    assert_eq!(
        (&*proxy.value, proxy.confidence),
        ("replaced", Confidence::Likely)
    );
    assert_eq!(facts.encapsulation.unwrap().value, "geneve");
    assert_eq!(facts.pod_cidrs[0].value, "10.0.0.0/8");
}

#[test]
fn kubeskoop_213_kindnet() {
    let yaml = node(
        "v1.31.2",
        "annotations: {kubeadm.alpha.kubernetes.io/cri-socket: x}",
    )
    .replace(
        "status:",
        "spec: {providerID: 'kind://docker/kind/node-1'}\nstatus:",
    ) + &agent(
        "kindnet",
        "kube-system",
        "kindnet-cni",
        "docker.io/kindest/kindnetd:v2024",
    );
    let facts = facts(&yaml);
    assert_eq!(value(facts.distribution.as_ref()), Some(Distribution::Kind));
    assert_eq!(value(facts.dataplane.as_ref()), Some(Dataplane::Kindnet));
}

#[test]
fn nothing_seen_is_unknown_never_absent() {
    let found = facts("{apiVersion: v1, kind: Node, metadata: {name: a}}");
    assert_eq!(found.dataplane, None);
    assert_eq!(found.distribution, None);
    assert_eq!(found.proxy_mode, None);
    let (snapshot, _) = read(K3S, Source::Cluster, |b| forbid(b, Kind::Node));
    assert_eq!(snapshot.facts.nodes, None);
}

#[test]
fn pods_tell_where_daemon_sets_may_not_be_listed() {
    let pod = r"
apiVersion: v1
kind: Pod
metadata:
  name: cilium-x
  namespace: kube-system
  ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: cilium, uid: u, controller: true}]
spec: {containers: [{name: cilium-agent, image: quay.io/cilium/cilium}]}
";
    let (snapshot, _) = read(pod, Source::Cluster, |b| forbid(b, Kind::DaemonSet));
    assert_eq!(
        value(snapshot.facts.dataplane.as_ref()),
        Some(Dataplane::Cilium)
    );
}

#[test]
fn stated_facts_win() {
    let stated = StatedFacts {
        cluster_domain: Some("told.test".into()),
        nodes: Some(7),
        pod_cidrs: vec!["10.9.0.0/16".into()],
        dataplane: Some(Dataplane::Antrea),
        ..StatedFacts::default()
    };
    let (snapshot, _) = read(K3S, Source::Cluster, |builder| builder.state(stated));
    let facts = snapshot.facts;
    assert_eq!(facts.cluster_domain.unwrap().value, "told.test");
    assert_eq!(facts.nodes, Some(7));
    assert_eq!(facts.pod_cidrs.len(), 1);
    let dataplane = facts.dataplane.unwrap();
    assert_eq!(
        (dataplane.value, dataplane.confidence),
        (Dataplane::Antrea, Confidence::Certain)
    );
}

#[test]
fn service_cidr_objects_are_certain_and_other_dns_services_are_not_the_clusters() {
    let yaml = r"
{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: kubernetes}, spec: {cidrs: [10.96.0.0/12]}}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: vcluster-a, labels: {k8s-app: kube-dns}}
spec: {ports: [{port: 53}]}
---
apiVersion: v1
kind: Service
metadata: {name: prom-coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: None, ports: [{port: 9153}]}
---
apiVersion: v1
kind: Service
metadata: {name: dns-default, namespace: openshift-dns, labels: {dns.operator.openshift.io/owning-dns: default}}
spec: {ports: [{port: 53, targetPort: dns}]}
";
    let facts = facts(yaml);
    let range = &facts.service_cidrs[0];
    assert_eq!(
        (&*range.value, range.confidence),
        ("10.96.0.0/12", Confidence::Certain)
    );
    assert_eq!(
        facts.dns_services,
        [("openshift-dns".into(), "dns-default".into())]
    );
    assert!(facts.is_dns_service("openshift-dns", "dns-default"));
}

#[test]
fn the_dns_service_is_known_by_its_name_where_it_lost_its_label() {
    let yaml = "{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: {ports: [{port: 53}]}}";
    assert!(facts(yaml).is_dns_service("kube-system", "kube-dns"));
    let elsewhere = yaml.replace("kube-system", "vcluster");
    assert!(!facts(&elsewhere).is_dns_service("vcluster", "kube-dns"));
}
