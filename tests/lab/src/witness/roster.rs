//! Who is where: pods, Services and addresses that probes use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Family, NAMESPACE};
use crate::spec::HostName;
use crate::{Lab, network};

/// Everything that is tried.
#[derive(Debug, Clone)]
pub struct Roster {
    pub(super) nodes: Vec<NodePods>,
    /// The Service with an endpoint on every node.
    pub(super) servers: Addresses,
    /// The Service of DNS.
    pub(super) dns: Addresses,
    /// The Service of the API server.
    pub(super) api: Addresses,
    /// The internet host.
    pub(super) internet: Addresses,
}

/// What the witness has on one node.
#[derive(Debug, Clone)]
pub struct NodePods {
    /// The node.
    pub host: HostName,
    /// The node's own addresses.
    pub addresses: Addresses,
    /// The pod from which is tried.
    pub client: Pod,
    /// The pod that is tried.
    pub server: Pod,
    /// The Service with only that pod behind it.
    pub service: Service,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its name in the namespace of the witness.
    pub name: String,
    /// Its addresses.
    pub addresses: Addresses,
}

/// A Service of type `NodePort`.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its cluster IPs.
    pub addresses: Addresses,
    /// Its port on every node.
    pub node_port: u16,
}

/// The addresses of one thing: one per family, if it has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// The address of this family.
    pub fn of(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        }
    }

    /// From a list of texts under a key of an object. What is no address, `None` for instance, is left out.
    pub(super) fn read(list: &Value) -> Self {
        let texts = list.as_array().into_iter().flatten();
        let mut addresses = Self::default();
        for text in texts.filter_map(|entry| entry["ip"].as_str().or(entry.as_str())) {
            match text.parse() {
                Ok(IpAddr::V4(address)) => addresses.v4 = Some(address),
                Ok(IpAddr::V6(address)) => addresses.v6 = Some(address),
                Err(_) => {}
            }
        }
        addresses
    }

    /// Those of a host of the lab.
    pub(super) fn of_host(lab: &Lab, host: HostName) -> Self {
        Self {
            v4: Some(lab.address(host)),
            v6: lab.spec().dual_stack.then(|| lab.address6(host)),
        }
    }

    /// The IPv4 address, which everything in a lab has.
    pub fn ipv4(&self) -> Result<Ipv4Addr> {
        self.v4.context("there is no IPv4 address")
    }
}

impl Pod {
    /// Its IPv4 address.
    pub fn ipv4(&self) -> Result<Ipv4Addr> {
        self.addresses
            .ipv4()
            .with_context(|| format!("pod {}", self.name))
    }
}

impl Roster {
    /// What the witness has on this node.
    pub fn node(&self, host: HostName) -> Result<&NodePods> {
        let mut nodes = self.nodes.iter();
        let found = nodes.find(|node| node.host == host);
        found.with_context(|| format!("there is no {host} in this lab"))
    }

    /// The pods and the Services with this prefix, or nothing unless all of them are there and have what they need.
    pub(super) fn read(lab: &Lab, prefix: &str) -> Result<Option<Self>> {
        let objects = lab.get(&["-n", NAMESPACE, "pods,services,endpointslices"])?;
        let objects = Objects(
            objects["items"]
                .as_array()
                .context("a list without items")?,
        );
        let nodes = lab.nodes().map(|host| objects.node(lab, host, prefix));
        let Some(nodes) = nodes.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let Some(servers) = objects.find("Service", "servers") else {
            return Ok(None);
        };
        let dual_stack = lab.spec().dual_stack;
        Ok(Some(Self {
            nodes,
            servers: Addresses::read(&servers["spec"]["clusterIPs"]),
            dns: Addresses {
                v4: Some(network::CLUSTER_DNS),
                v6: dual_stack.then_some(network::CLUSTER_DNS6),
            },
            api: Addresses {
                v4: Some(network::API_SERVICE),
                v6: None,
            },
            internet: Addresses::of_host(lab, HostName::Internet),
        }))
    }
}

struct Objects<'a>(&'a [Value]);

impl Objects<'_> {
    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        let named = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        self.0.iter().find(named)
    }

    fn node(&self, lab: &Lab, host: HostName, prefix: &str) -> Option<NodePods> {
        Some(NodePods {
            host,
            addresses: Addresses::of_host(lab, host),
            client: self.pod(&format!("client-{host}"))?,
            server: self.pod(&format!("server-{host}"))?,
            service: self.service(&format!("{prefix}-{host}"))?,
        })
    }

    /// A pod that runs. Whether it is Ready is not asked: a fault may be what keeps it from that.
    fn pod(&self, name: &str) -> Option<Pod> {
        let pod = self.find("Pod", name)?;
        let addresses = Addresses::read(&pod["status"]["podIPs"]);
        let runs = pod["status"]["phase"] == "Running" && addresses.v4.is_some();
        runs.then(|| Pod {
            name: name.to_owned(),
            addresses,
        })
    }

    /// A Service with an endpoint.
    fn service(&self, name: &str) -> Option<Service> {
        let service = self.find("Service", name)?;
        let mut slices = self.0.iter().filter(|object| {
            object["kind"] == "EndpointSlice"
                && object["metadata"]["labels"]["kubernetes.io/service-name"] == name
        });
        let has_endpoint = |slice: &Value| {
            slice["endpoints"]
                .as_array()
                .is_some_and(|list| !list.is_empty())
        };
        let port = service["spec"]["ports"][0]["nodePort"].as_u64()?;
        slices.any(has_endpoint).then_some(Service {
            addresses: Addresses::read(&service["spec"]["clusterIPs"]),
            node_port: u16::try_from(port).ok()?,
        })
    }
}
