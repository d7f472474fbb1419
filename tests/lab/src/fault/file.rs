//! Reading fault files. `tests/lab/faults/README.md` says how to write one.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use toml::Spanned;

use super::check::{self, Verdict};
use super::probe::{From, ScenarioProbe};
use super::step::{self, On, Step};
use crate::spec::{Overlay, ProxyMode, Spec};
use crate::witness::Expected;

/// A way to break a lab.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The folder of the file.
    pub area: &'static str,
    /// The name of the file without `.toml`. No two files have the same.
    pub name: String,
    /// What is broken, in one line.
    pub summary: String,
    /// What it is like in life, and where that was reported.
    pub imitates: String,
    /// The field stories of the catalogue in which it happens, by their letters: `K3S` for instance.
    pub stories: Vec<String>,
    /// The node that it is about, if it is about one.
    pub node: Option<u8>,
    /// The other node, if it is about two.
    pub peer: Option<u8>,
    /// In which labs it means something.
    pub labs: Labs,
    /// The witness tries Services that were made after the injection, instead of those that were there before.
    pub fresh_services: bool,
    /// How it is injected.
    pub inject: Vec<Step>,
    /// What has to have happened before it is looked at.
    pub settle: Vec<Step>,
    /// How it is healed. The steps also work where the injection broke off half-way.
    pub heal: Vec<Step>,
    /// What the witness sees.
    pub table: Expected,
    /// What else is tried.
    pub probes: Vec<ScenarioProbe>,
    /// What `check` has to say.
    pub check: Verdict,
}

/// In which labs a fault means something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Labs {
    /// Only with this overlay.
    pub overlay: Option<Overlay>,
    /// Only with this mode of kube-proxy.
    pub proxy: Option<ProxyMode>,
    /// Only with, or only without IPv6.
    pub dual_stack: Option<bool>,
    /// It damages the cluster so that steps cannot heal it: the lab has to be made anew.
    pub own: bool,
}

/// The kinds of lab in which faults are tried. Each overlay, each mode of kube-proxy and both families work in one of them at
/// least.
pub fn kinds() -> [Spec; 3] {
    let spec = |overlay, proxy, dual_stack| Spec {
        overlay,
        proxy,
        dual_stack,
        ..Spec::default()
    };
    [
        spec(Overlay::Vxlan, ProxyMode::Iptables, false),
        spec(Overlay::HostGw, ProxyMode::Nftables, true),
        spec(Overlay::Vxlan, ProxyMode::Iptables, true),
    ]
}

impl Labs {
    /// The kind of lab in which the tests try it, and for which its table is written.
    pub fn tried_in(&self) -> Option<Spec> {
        kinds().into_iter().find(|kind| self.fit(kind))
    }

    /// Whether it means something in a lab like this.
    pub fn fit(&self, spec: &Spec) -> bool {
        self.overlay.is_none_or(|overlay| overlay == spec.overlay)
            && self.proxy.is_none_or(|proxy| proxy == spec.proxy)
            && self
                .dual_stack
                .is_none_or(|dual_stack| dual_stack == spec.dual_stack)
    }
}

/// As the options of `lab up`.
impl fmt::Display for Labs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = [
            self.overlay.map(|overlay| format!("--overlay {overlay}")),
            self.proxy.map(|proxy| format!("--proxy {proxy}")),
            self.dual_stack.map(|dual_stack| {
                let without = if dual_stack { "" } else { "no " };
                format!("{without}--dual-stack")
            }),
        ];
        let options: Vec<String> = options.into_iter().flatten().collect();
        f.write_str(&options.join(" and "))
    }
}

/// How many nodes the expected tables are written for.
const NODES: u8 = 3;

impl Fault {
    /// `AREA/NAME`
    pub fn id(&self) -> String {
        format!("{}/{}", self.area, self.name)
    }

    pub(super) fn read(area: &'static str, name: String, file: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let shown = file
            .strip_prefix(crate::repository())
            .unwrap_or(file)
            .display();
        match parse(area, name, &text) {
            Ok(fault) => Ok(fault),
            Err(Mistake { at, message }) => bail!("{shown}:{}: {message}", line(&text, at)),
        }
    }
}

/// What is wrong in a file, and at which byte.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) message: String,
}

/// The line of a byte, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFault {
    summary: String,
    imitates: String,
    stories: Vec<String>,
    node: Option<u8>,
    peer: Option<Spanned<u8>>,
    #[serde(default)]
    labs: RawLabs,
    #[serde(default)]
    fresh_services: bool,
    inject: Vec<Spanned<step::Raw>>,
    #[serde(default)]
    settle: Vec<Spanned<step::Raw>>,
    #[serde(default)]
    heal: Vec<Spanned<step::Raw>>,
    expect: RawExpect,
    check: Spanned<check::Raw>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLabs {
    overlay: Option<Spanned<String>>,
    proxy: Option<Spanned<String>>,
    dual_stack: Option<bool>,
    #[serde(default)]
    own: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawExpect {
    table: Spanned<String>,
    #[serde(default)]
    probe: Vec<Spanned<RawProbe>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawProbe {
    name: String,
    from: String,
    run: String,
    tries: Option<u8>,
    expect: String,
}

pub(super) fn parse(area: &'static str, name: String, text: &str) -> Result<Fault, Mistake> {
    let raw: RawFault = toml::from_str(text).map_err(|error| Mistake {
        at: error.span().map_or(0, |span| span.start),
        message: error.message().trim_end().to_owned(),
    })?;
    let node = raw.node;
    let peer = raw.peer.as_ref().map(|peer| *peer.get_ref());
    if let Some(spanned) = raw.peer.filter(|_| node.is_none() || node == peer) {
        let message = "a fault with a peer also has a node, and another one".to_owned();
        return Err(Mistake {
            at: spanned.span().start,
            message,
        });
    }
    let steps = |steps| steps_of(steps, node.is_some(), peer.is_some());
    let fault = Fault {
        area,
        name,
        summary: raw.summary,
        imitates: raw.imitates.trim().to_owned(),
        stories: raw.stories,
        node,
        peer,
        labs: labs(raw.labs)?,
        fresh_services: raw.fresh_services,
        inject: steps(raw.inject)?,
        settle: steps(raw.settle)?,
        heal: steps(raw.heal)?,
        table: table(text, &raw.expect.table)?,
        probes: raw
            .expect
            .probe
            .into_iter()
            .map(probe)
            .collect::<Result<_, _>>()?,
        check: located(raw.check, Verdict::try_from)?,
    };
    complete(&fault).map_err(|error| Mistake {
        at: 0,
        message: error.to_string(),
    })?;
    Ok(fault)
}

/// The stories of the catalogue, 8.1 to 8.5.
const STORIES: [&str; 5] = ["K3D", "K3S", "LES", "MK8", "GDE"];

fn complete(fault: &Fault) -> Result<()> {
    for story in &fault.stories {
        ensure!(
            STORIES.contains(&story.as_str()),
            "there is no story `{story}`; there are {}",
            STORIES.join(", ")
        );
    }
    for probe in &fault.probes {
        match probe.from {
            From::Host(On::Node) | From::Client(On::Node) if fault.node.is_none() => {
                bail!(
                    "probe `{}` stands on a node, and this fault has none",
                    probe.name
                )
            }
            From::Host(On::Peer) | From::Client(On::Peer) if fault.peer.is_none() => {
                bail!(
                    "probe `{}` stands on a peer, and this fault has none",
                    probe.name
                )
            }
            _ => {}
        }
    }
    ensure!(!fault.imitates.is_empty(), "`imitates` is empty");
    ensure!(!fault.inject.is_empty(), "there is nothing in `inject`");
    ensure!(
        fault.labs.own || !fault.heal.is_empty(),
        "there is nothing in `heal`; a fault that cannot be healed says `labs.own = true`"
    );
    Ok(())
}

/// The value, and the place of the whole if it is wrong.
fn located<T, U>(raw: Spanned<T>, read: impl FnOnce(T) -> Result<U, String>) -> Result<U, Mistake> {
    let at = raw.span().start;
    read(raw.into_inner()).map_err(|message| Mistake { at, message })
}

fn labs(raw: RawLabs) -> Result<Labs, Mistake> {
    fn word<T>(raw: Option<Spanned<String>>) -> Result<Option<T>, Mistake>
    where
        T: std::str::FromStr<Err = anyhow::Error>,
    {
        let read = |text: String| {
            text.parse()
                .map_err(|error: anyhow::Error| error.to_string())
        };
        raw.map(|raw| located(raw, read)).transpose()
    }
    Ok(Labs {
        overlay: word(raw.overlay)?,
        proxy: word(raw.proxy)?,
        dual_stack: raw.dual_stack,
        own: raw.own,
    })
}

fn steps_of(raw: Vec<Spanned<step::Raw>>, node: bool, peer: bool) -> Result<Vec<Step>, Mistake> {
    let steps = raw
        .into_iter()
        .map(|raw| located(raw, |raw| raw.read(node, peer)));
    steps.collect()
}

fn table(text: &str, raw: &Spanned<String>) -> Result<Expected, Mistake> {
    let start = raw.span().start;
    let names: Vec<String> = (1..=NODES).map(|number| format!("node-{number}")).collect();
    let table = Expected::parse(raw.get_ref()).map_err(|mistake| {
        // The quotes, and the line break behind them, are not part of the table.
        let opened = text[start..].find(raw.get_ref()).unwrap_or(0);
        let lines = raw.get_ref().split_inclusive('\n').take(mistake.line);
        Mistake {
            at: start + opened + lines.map(str::len).sum::<usize>(),
            message: mistake.message,
        }
    })?;
    match table.ensure_rows(&names) {
        Ok(()) => Ok(table),
        Err(error) => Err(Mistake {
            at: start,
            message: error.to_string(),
        }),
    }
}

fn probe(raw: Spanned<RawProbe>) -> Result<ScenarioProbe, Mistake> {
    located(raw, |raw| {
        Ok(ScenarioProbe {
            from: raw.from.parse()?,
            expect: raw.expect.parse()?,
            tries: raw.tries.unwrap_or(1).max(1),
            name: raw.name,
            run: raw.run,
        })
    })
}
