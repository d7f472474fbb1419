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

/// All scenarios; the first is played when none is named.
pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "wrong-target-port",
    story: "the shop answers 503 through its Ingress, and every pod is Running",
    now: "2026-01-01T12:00:00Z",
    yaml: include_str!("demo/wrong-target-port.yaml"),
}];
