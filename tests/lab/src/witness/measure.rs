//! Running the probes of a table.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::process::{Output, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use super::plan::{Place, Plan, Probe};
use super::roster::Addresses;
use super::{Cell, Family, Sign, Table, Tables, Witness};
use crate::host::Container;
use crate::spec::HostName;

const FUNCTIONS: &str = include_str!("../../witness/probe.sh");
/// A table runs `agnhost` a hundred times, each for a moment: threads and garbage collection are of no use to it.
const SETTINGS: &str = "export AGNHOST=agnhost GOMAXPROCS=1 GOGC=off";
const COUNTERS: &str = include_str!("../../witness/count.nft");

/// What is said about a container that ended between the look and the entry.
const GONE: &[u8] = b"nsenter: cannot open";

/// The running containers of all nodes, by pod.
struct Containers(Vec<Container>);

impl Containers {
    fn find(&self, namespace: &str, pod: &str) -> Option<&Container> {
        let mut all = self.0.iter();
        all.find(|one| one.namespace == namespace && one.pod == pod && one.name.is_some())
    }
}

/// A script that prints one sign, and where it runs. Without a script there is nothing to try.
pub(crate) struct Try {
    pub(crate) place: Place,
    pub(crate) script: Option<String>,
}

impl Witness<'_> {
    /// Measures the tables once.
    pub fn measure(&self) -> Result<Tables> {
        let dns_pods = self.dns_pods()?;
        let families = if self.lab.spec().dual_stack {
            &[Family::V4, Family::V6][..]
        } else {
            &[Family::V4]
        };
        let plans: Vec<Plan> = families
            .iter()
            .map(|family| Plan::new(&self.roster, &dns_pods, *family))
            .collect();
        let probes: Vec<&Probe> = plans.iter().flat_map(|plan| &plan.probes).collect();
        let tries = probes.iter().map(|probe| Try {
            place: probe.place.clone(),
            script: probe.command.clone(),
        });
        let containers = self.containers()?;
        let mut signs = self.run(&containers, tries.collect())?;
        self.add_arrivals(&containers, &probes, &mut signs)?;

        let mut signs = &signs[..];
        let mut tables = plans.iter().map(|plan| {
            let (own, rest) = signs.split_at(plan.probes.len());
            signs = rest;
            plan.table(own)
        });
        let v4 = tables
            .next()
            .unwrap_or_else(|| Table::from_fn(&[], |_, _| Cell::UNKNOWN));
        Ok(Tables {
            v4,
            v6: tables.next(),
        })
    }

    /// Runs scripts that print one sign each, all at the same time, and returns the signs.
    pub(crate) fn try_all(&self, tries: Vec<Try>) -> Result<Vec<Sign>> {
        self.run(&self.containers()?, tries)
    }

    fn run(&self, containers: &Containers, tries: Vec<Try>) -> Result<Vec<Sign>> {
        let mut scripts: BTreeMap<Place, String> = BTreeMap::new();
        let mut signs = vec![Sign::Unknown; tries.len()];
        for (key, Try { place, script }) in tries.into_iter().enumerate() {
            let Some(script) = script else { continue };
            let of_place = scripts.entry(place).or_default();
            of_place.push_str(&format!(
                "probe{key}() {{\n{script}\n}}\nat {key} probe{key}\n"
            ));
        }
        let outputs = thread::scope(|scope| {
            let mut running = Vec::new();
            for (place, script) in &scripts {
                let script = format!("{SETTINGS}\n{FUNCTIONS}\n{script}wait\n");
                running.push(scope.spawn(move || self.shell(containers, place, &script)));
            }
            running
                .into_iter()
                .map(|one| one.join().map_err(|_| "a probe panicked"))
                .collect::<Vec<_>>()
        });
        for output in outputs {
            let output = output.map_err(anyhow::Error::msg)??;
            for line in output.iter().flat_map(|output| output.lines()) {
                let (key, sign) =
                    read(line).with_context(|| format!("a probe printed `{line}`"))?;
                *signs
                    .get_mut(key)
                    .with_context(|| format!("a probe printed `{line}`"))? = sign;
            }
        }
        Ok(signs)
    }

    /// Runs a script at a place. Nothing: there is no such container, so nobody can be asked.
    fn shell(
        &self,
        containers: &Containers,
        place: &Place,
        script: &str,
    ) -> Result<Option<String>> {
        let container = match place {
            Place::Host(_) => None,
            Place::Client(host) => Some((super::NAMESPACE, &self.roster.node(*host)?.client.name)),
            Place::Server(host) => Some((super::NAMESPACE, &self.roster.node(*host)?.server.name)),
            Place::Pod(name) => Some((crate::fault::NAMESPACE, name)),
        };
        let mut command = match (place, container) {
            (Place::Host(host), _) => self.lab.host(*host).command("sh"),
            (_, Some((namespace, pod))) => match containers.find(namespace, pod) {
                Some(one) => {
                    let host = self.lab.host(one.node);
                    let mut command = host.command_in_network_of(one, "sh");
                    command.env("POD_PID", one.pid.to_string());
                    command
                }
                None => return Ok(None),
            },
            (_, None) => return Ok(None),
        };
        let output = command
            .args(["-c", script])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("probing from {place:?}"))?;
        if container.is_some() && output.stderr.starts_with(GONE) {
            return Ok(None);
        }
        let text = checked(output).with_context(|| format!("probing from {place:?}"))?;
        Ok(Some(text))
    }

    fn containers(&self) -> Result<Containers> {
        let mut all = Vec::new();
        for node in self.lab.nodes() {
            all.extend(self.lab.host(node).containers()?);
        }
        Ok(Containers(all))
    }

    /// The addresses of the DNS pods, in the order of their nodes. None: there are no such pods.
    fn dns_pods(&self) -> Result<Vec<Addresses>> {
        let list = self
            .lab
            .get(&["-n", "kube-system", "pods", "-l", "k8s-app=kube-dns"])?;
        let mut pods: Vec<_> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pod| {
                (
                    pod["spec"]["nodeName"].as_str(),
                    Addresses::read(&pod["status"]["podIPs"]),
                )
            })
            .collect();
        pods.sort_by_key(|(node, _)| *node);
        Ok(pods.into_iter().map(|(_, addresses)| addresses).collect())
    }

    /// Lets every server count the UDP that arrives.
    pub(super) fn count_arrivals(&self) -> Result<()> {
        let containers = self.containers()?;
        for node in &self.roster.nodes {
            self.shell(&containers, &Place::Server(node.host), &install_counters())?
                .with_context(|| format!("{} has no container", node.server.name))?;
        }
        Ok(())
    }

    /// Where no answer came back, asks the receiver whether the question arrived. Counters start again at zero.
    fn add_arrivals(
        &self,
        containers: &Containers,
        probes: &[&Probe],
        signs: &mut [Sign],
    ) -> Result<()> {
        let mut arrived: BTreeMap<HostName, Vec<IpAddr>> = BTreeMap::new();
        for node in &self.roster.nodes {
            let listed = self.shell(containers, &Place::Server(node.host), &read_counters())?;
            arrived.insert(
                node.host,
                listed.as_deref().map(senders).unwrap_or_default(),
            );
        }
        for (probe, sign) in probes.iter().zip(signs) {
            let Some(arrival) = probe.arrival else {
                continue;
            };
            let sender = self
                .roster
                .node(arrival.from)?
                .client
                .addresses
                .of(arrival.family);
            let counted = sender.is_some_and(|sender| arrived[&arrival.to].contains(&sender));
            if counted && *sign != Sign::Works && *sign != Sign::Unknown {
                *sign = Sign::Arrived;
            }
        }
        Ok(())
    }
}

/// Prints the counters and sets them to zero. A pod that was made anew has none yet.
fn read_counters() -> String {
    let read = ["arrived4", "arrived6"]
        .map(|set| format!("nft list set inet witness {set}\nnft flush set inet witness {set}\n"));
    format!(
        "if nft list table inet witness >/dev/null 2>&1; then\n{}else\n{}fi\n",
        read.concat(),
        install_counters()
    )
}

fn install_counters() -> String {
    format!("nft -f - <<'EOF'\n{COUNTERS}EOF\n")
}

/// `KEY SIGN`
fn read(line: &str) -> Option<(usize, Sign)> {
    let (key, sign) = line.split_once(' ')?;
    let mut symbols = sign.chars();
    let sign = Sign::from_symbol(symbols.next()?)?;
    symbols
        .next()
        .is_none()
        .then_some((key.parse().ok()?, sign))
}

/// The addresses in the elements of listed sets: `elements = { 10.244.1.4 counter packets 1 bytes 37, ... }`.
fn senders(listed: &str) -> Vec<IpAddr> {
    let words: Vec<&str> = listed.split_whitespace().collect();
    let counted = words.windows(2).filter(|pair| pair[1] == "counter");
    counted.filter_map(|pair| pair[0].parse().ok()).collect()
}

fn checked(output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout)
        .map_err(io::Error::other)
        .context("output that is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_probes_are_read() {
        assert_eq!(read("17 +"), Some((17, Sign::Works)));
        assert_eq!(read("17 >"), Some((17, Sign::Arrived)));
        for line in ["17", "17 ++", "x +", "17 y", ""] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn senders_are_read_from_what_nft_lists() {
        let listed = "table inet witness {
\tset arrived4 {
\t\ttype ipv4_addr
\t\telements = { 10.244.1.4 counter packets 2 bytes 60,
\t\t\t     10.244.3.7 counter packets 1 bytes 30 }
\t}
}
table inet witness {
\tset arrived6 {
\t\telements = { fd00:10:244:1::4 counter packets 1 bytes 50 }
\t}
}
";
        let wanted: Vec<IpAddr> = ["10.244.1.4", "10.244.3.7", "fd00:10:244:1::4"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        assert_eq!(senders(listed), wanted);
        assert_eq!(
            senders("table inet witness {\n\tset arrived4 {\n\t}\n}\n"),
            [] as [IpAddr; 0]
        );
    }
}
