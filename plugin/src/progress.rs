//! What is being read, on a terminal only: areas tick off while their lists arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::Rule;

/// A line on standard error that is redrawn, or nothing.
pub(crate) struct Progress {
    bar: ProgressBar,
    unicode: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Kinds that each area still waits for.
    waiting: BTreeMap<&'static str, BTreeSet<Kind>>,
    read: BTreeMap<Kind, usize>,
}

impl Progress {
    /// Shows progress, where it is wanted.
    pub(crate) fn new(wanted: bool, unicode: bool) -> Self {
        if !wanted {
            return Self::silent();
        }
        let bar = ProgressBar::new_spinner();
        let ticks: &[&str] = if unicode {
            &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", " "]
        } else {
            &["-", "\\", "|", "/", " "]
        };
        let style = ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style.tick_strings(ticks));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar.set_message("connecting");
        Self {
            bar,
            unicode,
            state: Mutex::default(),
        }
    }

    /// Shows nothing.
    pub(crate) fn silent() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            unicode: false,
            state: Mutex::default(),
        }
    }

    /// What will be read, for which areas.
    pub(crate) fn plan(&self, rules: &[&'static Rule], kinds: impl Iterator<Item = Kind>) {
        let kinds: BTreeSet<Kind> = kinds.collect();
        self.change(|state| {
            for rule in rules {
                let needed = rule.kinds().into_iter().filter(|kind| kinds.contains(kind));
                state
                    .waiting
                    .entry(area_name(rule.area()))
                    .or_default()
                    .extend(needed);
            }
        });
    }

    /// Number of objects of a kind so far.
    pub(crate) fn read(&self, kind: Kind, count: usize) {
        self.change(|state| {
            state.read.insert(kind, count);
        });
    }

    /// A kind is complete.
    pub(crate) fn done(&self, kind: Kind) {
        self.change(|state| {
            for kinds in state.waiting.values_mut() {
                kinds.remove(&kind);
            }
        });
    }

    /// Removes the line.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if self.bar.is_hidden() {
            return;
        }
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut state);
        let (done, open) = if self.unicode {
            ("✔", "…")
        } else {
            ("ok", "..")
        };
        let areas = state
            .waiting
            .iter()
            .map(|(area, kinds)| format!("{area} {}", if kinds.is_empty() { done } else { open }));
        let objects: usize = state.read.values().sum();
        let areas: Vec<String> = areas.collect();
        self.bar
            .set_message(format!("{objects} objects · {}", areas.join("  ")));
    }
}

/// What an area of the catalogue is called in output.
pub(crate) fn area_name(area: &str) -> &'static str {
    match area {
        "SVC" => "services",
        "PRB" => "probes",
        "WKL" => "workloads",
        "HST" => "host network",
        "POL" => "policies",
        "ING" => "ingress",
        "GWY" => "gateway",
        "DNS" => "dns",
        "TLS" => "certificates",
        "CNI" => "pod network",
        "MTU" => "mtu",
        "EGR" => "egress",
        "API" => "api server",
        "WHK" => "webhooks",
        "KPX" => "service proxy",
        "NOD" => "nodes",
        "LBA" => "load balancers",
        "FWD" => "access",
        _ => "other",
    }
}
