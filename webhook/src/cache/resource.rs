//! Under which path a kind is served, if it is.

use super::request::{self, Failure};
use netdoctor_engine::model::Kind;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Group {
    versions: Vec<Version>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Version {
    version: String,
}

/// The path of the collection in the version that the server has.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such group. That the resource itself is missing from it shows at the list.
pub(super) async fn path(client: &kube::Client, kind: Kind) -> Result<String, Failure> {
    if kind.group().is_empty() {
        return Ok(format!("/api/v1/{}", kind.plural()));
    }
    let group = match request::get(client, &format!("/apis/{}", kind.group())).await {
        Ok(answer) => serde_json::from_slice(&answer).map_err(|_| Failure::NotKubernetes)?,
        // Who may not look takes the preferred version: the list itself will tell.
        Err(Failure::Forbidden) => Group::default(),
        Err(failure) => return Err(failure),
    };
    let version = choose(kind, &group).ok_or(Failure::NotFound)?;
    Ok(format!(
        "/apis/{}/{version}/{}",
        kind.group(),
        kind.plural()
    ))
}

/// The version that we like best; a newer one than we know has the same shape as far as rules read it.
fn choose(kind: Kind, group: &Group) -> Option<&str> {
    if group.versions.is_empty() {
        return kind.versions().first().copied();
    }
    let served = |wanted: &str| group.versions.iter().any(|served| served.version == wanted);
    let known = kind
        .versions()
        .iter()
        .copied()
        .find(|wanted| served(wanted));
    known.or_else(|| Some(&group.versions.first()?.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(versions: &[&str]) -> Group {
        let versions = versions.iter().map(|version| Version {
            version: (*version).to_owned(),
        });
        Group {
            versions: versions.collect(),
        }
    }

    #[test]
    fn the_preferred_version_that_is_served_is_taken() {
        let of = |versions: &[&str]| choose(Kind::Gateway, &group(versions)).map(str::to_owned);
        assert_eq!(of(&["v1beta1", "v1"]).as_deref(), Some("v1"));
        assert_eq!(of(&["v1alpha2", "v1beta1"]).as_deref(), Some("v1beta1"));
        assert_eq!(of(&["v2"]).as_deref(), Some("v2"));
        assert_eq!(of(&[]).as_deref(), Some("v1"));
    }
}
