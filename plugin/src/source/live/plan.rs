//! What to list: the kinds of the selected rules, in the versions that the server has, in the namespace that was asked
//! for and in the ones that everything depends on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use netdoctor_engine::model::Kind;
use netdoctor_engine::snapshot::Coverage;
use serde::Deserialize;

use super::Request;
use crate::cluster::{ApiError, Cluster};

/// Where cluster DNS, kube-proxy and most network agents live; read besides the namespace that was asked for.
const SYSTEM: &str = "kube-system";

/// One list.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    /// `group/version` of the served version.
    pub(super) api_version: String,
    /// One namespace, or all.
    pub(super) namespace: Option<String>,
    /// Namespaces that do where all of them cannot be read.
    pub(super) instead: Vec<String>,
}

/// All lists.
pub(super) struct Plan {
    pub(super) lists: Vec<Wanted>,
    /// Kinds that the server does not know.
    pub(super) coverage: BTreeMap<Kind, Coverage>,
    pub(super) clock: Option<Timestamp>,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

/// Asks the server for its API groups and decides. A server that forbids discovery is taken to have the preferred
/// versions: the lists themselves will tell.
pub(super) async fn make(cluster: &Cluster, request: &Request<'_>) -> Result<Plan, ApiError> {
    let (groups, clock) = match cluster.get_bytes("/apis").await {
        Ok(answer) => (
            serde_json::from_slice::<GroupList>(&answer.body).ok(),
            answer.date,
        ),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(_) => (None, None),
    };
    let mut plan = Plan {
        lists: Vec::new(),
        coverage: BTreeMap::new(),
        clock,
    };
    for kind in kinds(request) {
        let Some(api_version) = served(kind, groups.as_ref()) else {
            plan.coverage.entry(kind).or_default().not_installed = true;
            continue;
        };
        let own = namespaces(kind, request.namespaces);
        let list = |namespace, instead| Wanted {
            kind,
            api_version: api_version.clone(),
            namespace,
            instead,
        };
        if request.everywhere.contains(&kind) {
            let instead = own.into_iter().flatten().collect();
            plan.lists.push(list(None, instead));
        } else {
            let lists = own.into_iter().map(|namespace| list(namespace, Vec::new()));
            plan.lists.extend(lists);
        }
    }
    Ok(plan)
}

fn kinds(request: &Request<'_>) -> BTreeSet<Kind> {
    let mut kinds: BTreeSet<Kind> = request.rules.iter().flat_map(|rule| rule.kinds()).collect();
    if !kinds.is_empty() {
        // Facts about the cluster and labels of namespaces are behind most verdicts.
        kinds.extend(netdoctor_engine::facts::KINDS);
        kinds.insert(Kind::Namespace);
    }
    kinds
}

fn served(kind: Kind, groups: Option<&GroupList>) -> Option<String> {
    if kind.group().is_empty() {
        return Some(kind.api_version());
    }
    let Some(groups) = groups else {
        return Some(kind.api_version());
    };
    let group = groups
        .groups
        .iter()
        .find(|group| group.name == kind.group())?;
    let version = kind
        .versions()
        .iter()
        .find(|version| group.versions.iter().any(|v| v.version == **version));
    // A newer version than we know has the same shape as far as rules read it.
    let version = version.map(|version| (*version).to_owned());
    let version = version.or_else(|| group.versions.first().map(|v| v.version.clone()))?;
    Some(format!("{}/{version}", kind.group()))
}

fn namespaces(kind: Kind, asked: &[String]) -> Vec<Option<String>> {
    if asked.is_empty() || !kind.namespaced() {
        return vec![None];
    }
    let mut namespaces: Vec<Option<String>> = asked.iter().cloned().map(Some).collect();
    if of_system(kind) && !asked.iter().any(|namespace| namespace == SYSTEM) {
        namespaces.push(Some(SYSTEM.to_owned()));
    }
    namespaces
}

/// Kinds through which cluster-wide causes show.
fn of_system(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod | Kind::Service | Kind::EndpointSlice | Kind::DaemonSet | Kind::Deployment
    )
}

impl Wanted {
    /// The lists that take the place of this one.
    pub(super) fn narrower(&self) -> Vec<Self> {
        let narrower = self.instead.iter().map(|namespace| Self {
            namespace: Some(namespace.clone()),
            instead: Vec::new(),
            ..self.clone()
        });
        narrower.collect()
    }

    /// Path of the list.
    pub(super) fn path(&self) -> String {
        let root = if self.kind.group().is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}", self.api_version)
        };
        match &self.namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.kind.plural()),
            None => format!("{root}/{}", self.kind.plural()),
        }
    }
}
