//! The columns of a table: which kinds of probe there are.

/// How often a Service with several endpoints is tried.
pub(super) const TRIES: u8 = 6;

/// A kind of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The head of the column.
    pub name: &'static str,
    /// What is tried, from the node of the row unless it says otherwise.
    pub meaning: &'static str,
    /// What a cell has signs for.
    pub targets: Targets,
}

/// What a cell has signs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// One thing.
    One,
    /// Something on every other node, in their order.
    Others,
    /// The DNS pods, in the order of their nodes.
    DnsPods,
    /// One thing that is tried several times: the cell counts.
    Tries,
}

macro_rules! columns {
    ($($name:literal $targets:ident $meaning:literal),+ $(,)?) => {
        /// The columns of every table, in order.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: $name,
            meaning: $meaning,
            targets: Targets::$targets,
        }),+];
    };
}

columns! {
    "S" One "pod to a pod of the same node, TCP",
    "X" Others "pod to a pod of each other node, TCP",
    "H" Others "node to each other node (kubelet's port), TCP",
    "Nl" One "node to its own pod",
    "Nr" Others "node to a pod of each other node",
    "Cl" One "pod to a ClusterIP whose only endpoint is on its own node",
    "Cr" Others "pod to ClusterIPs whose only endpoint is on each other node",
    "HCl" One "node to a ClusterIP whose only endpoint is its own pod",
    "HCr" Others "node to ClusterIPs whose only endpoint is on each other node",
    "Pown" One "pod to the NodePort of its own node (endpoint on its own node)",
    "P" Others "pod to the same NodePort on each other node",
    "Ds" One "pod to the DNS Service: a name of the cluster over UDP, one try",
    "DsT" One "the same over TCP",
    "Dp" DnsPods "pod to each DNS pod: a name of the cluster over UDP",
    "Ei" One "pod to an outside address, TCP",
    "En" One "pod to the DNS Service: an outside name",
    "nE" One "node to the outside address, TCP",
    "I" Others "pod to a pod of each other node: ping with 56 bytes",
    "L" Others "pod to a pod of each other node: ping with 1400 bytes",
    "A" One "pod to the API server by its ClusterIP",
    "U" Others "pod to a pod of each other node: UDP, answered and counted by the receiver",
    "M" Tries "pod to a ClusterIP with one endpoint on every node, several tries",
    "Hp" One "pod to the ClusterIP whose only endpoint is the pod itself",
    "DpT" DnsPods "pod to each DNS pod: a name of the cluster over TCP",
    "Pi" One "from the internet host: to the NodePort of this node (endpoint on this node)",
    "K" One "from the control plane: to the kubelet of this node",
}

/// The place of the column of this name.
pub(super) fn column(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.name == name)
}
