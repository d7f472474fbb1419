//! Built-in clusters: YAML files with a fixed clock, embedded in the binary.

/// One cluster.
pub(crate) struct Scenario {
    /// What is typed after `demo`.
    pub(crate) name: &'static str,
    /// What its users saw.
    pub(crate) story: &'static str,
    /// Its clock.
    pub(crate) now: &'static str,
    /// All of its objects.
    pub(crate) yaml: &'static str,
}

/// The clock of all scenarios.
const NOW: &str = "2026-01-01T12:00:00Z";

/// All scenarios; the first is played when none is named.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "wrong-target-port",
        story: "the shop answers 503 through its Ingress although every pod is Running and Ready",
        now: NOW,
        yaml: include_str!("demo/wrong-target-port.yaml"),
    },
    Scenario {
        name: "host-network-rollout",
        story: "a rollout has been waiting for an hour: the new pod of a host-network Deployment stays Pending",
        now: NOW,
        yaml: include_str!("demo/host-network-rollout.yaml"),
    },
    Scenario {
        name: "egress-policy-cuts-dns",
        story: "since a NetworkPolicy was applied, pods of one namespace resolve no names",
        now: NOW,
        yaml: include_str!("demo/egress-policy-cuts-dns.yaml"),
    },
    Scenario {
        name: "selector-near-miss",
        story: "one of two Services has no endpoints, and its labels look right",
        now: NOW,
        yaml: include_str!("demo/selector-near-miss.yaml"),
    },
    Scenario {
        name: "ingress-class-missing",
        story: "Traefik is running and answers 404 for a host that has an Ingress",
        now: NOW,
        yaml: include_str!("demo/ingress-class-missing.yaml"),
    },
    Scenario {
        name: "load-balancer-pending",
        story: "a LoadBalancer on bare metal has been pending for hours",
        now: NOW,
        yaml: include_str!("demo/load-balancer-pending.yaml"),
    },
    Scenario {
        name: "coredns-loop",
        story: "CoreDNS crash-loops and no name resolves anywhere",
        now: NOW,
        yaml: include_str!("demo/coredns-loop.yaml"),
    },
    Scenario {
        name: "node-not-ready",
        story: "one node stopped answering and took Services and Ingresses with it",
        now: NOW,
        yaml: include_str!("demo/node-not-ready.yaml"),
    },
    Scenario {
        name: "host-network-traps",
        story: "a DaemonSet moved to the host network: its NodePort answers nothing and its database name does not resolve",
        now: NOW,
        yaml: include_str!("demo/host-network-traps.yaml"),
    },
    Scenario {
        name: "healthy",
        story: "a cluster without a fault",
        now: NOW,
        yaml: include_str!("demo/healthy.yaml"),
    },
];
