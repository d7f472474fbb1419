//! The objects as this cluster needs them: with the port of its API server, and with what was configured in it.

use std::collections::BTreeSet;

use anyhow::anyhow;
use netdoctor_manifests::{Options, Profile, names};
use serde_json::{Value, json};

use super::super::object::text;
use super::present::Present;
use super::steps;
use crate::cluster::{ApiError, Cluster};

/// Where the addresses of the API server are.
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
                      ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";

/// Fits the objects to the cluster and returns the ports that were opened for it.
pub(super) async fn fit(
    cluster: &Cluster,
    options: &Options,
    present: &Present,
    profile_named: bool,
    objects: &mut [Value],
) -> anyhow::Result<BTreeSet<u64>> {
    if let Some(configuration) = &present.configuration
        && profile_named
    {
        keep_configured(objects, configuration, options)?;
    }
    let slices = match cluster.find(SLICES).await {
        Ok(slices) => slices.unwrap_or_default(),
        // Those who may not look install with the usual ports.
        Err(ApiError::Forbidden { .. }) => Value::Null,
        Err(error) => return Err(steps::explain(&error, "look where the API server listens")),
    };
    Ok(open(objects, &ports(&slices)))
}

fn ports(slices: &Value) -> BTreeSet<u64> {
    let slices = slices["items"].as_array().into_iter().flatten();
    slices
        .flat_map(|slice| slice["ports"].as_array().into_iter().flatten())
        .filter_map(|port| port["port"].as_u64())
        .collect()
}

/// Lets the Pods out to ports that the policies leave out: a policy sees the port of the API server itself, whatever the
/// Service in front of it calls it.
fn open(objects: &mut [Value], ports: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut opened = BTreeSet::new();
    for object in objects {
        if text(object, "/kind") != "NetworkPolicy" {
            continue;
        }
        let Some(egress) = object
            .pointer_mut("/spec/egress")
            .and_then(Value::as_array_mut)
        else {
            continue;
        };
        let known: BTreeSet<u64> = egress
            .iter()
            .flat_map(|rule| rule["ports"].as_array().into_iter().flatten())
            .filter(|port| port["protocol"] == "TCP")
            .filter_map(|port| port["port"].as_u64())
            .collect();
        let missing: Vec<u64> = ports.difference(&known).copied().collect();
        if missing.is_empty() {
            continue;
        }
        let entries: Vec<Value> = missing
            .iter()
            .map(|port| json!({"port": port, "protocol": "TCP"}))
            .collect();
        egress.push(json!({"ports": entries}));
        opened.extend(missing);
    }
    opened
}

/// Puts what is configured in the cluster in the place of what would be written over it, with the profile that is asked for.
fn keep_configured(
    objects: &mut [Value],
    configuration: &Value,
    options: &Options,
) -> anyhow::Result<()> {
    let text_of = |object: &Value| {
        object["data"][names::CONFIG_KEY]
            .as_str()
            .map(str::to_owned)
    };
    let Some(there) = text_of(configuration) else {
        return Ok(());
    };
    let is_it = |object: &&mut Value| {
        text(object, "/kind") == "ConfigMap" && text(object, "/metadata/name") == names::CONFIG_MAP
    };
    let Some(ours) = objects.iter_mut().find(is_it) else {
        return Ok(());
    };
    let changed = with_profile(&there, options.profile).map_err(|reason| {
        anyhow!(
            "error: the profile cannot be changed without touching what else is in configmap/{0}: {reason}. Nothing was \
             done. Write `profile: {1}` into it (kubectl edit configmap {0} -n {2}), and install without --profile",
            names::CONFIG_MAP,
            options.profile.as_str(),
            options.namespace
        )
    })?;
    ours["data"][names::CONFIG_KEY] = changed.into();
    Ok(())
}

/// A configuration with another profile. Everything else stays as it was, comments included, which is proven by reading
/// both.
fn with_profile(there: &str, profile: Profile) -> Result<String, String> {
    let before = read(there)?;
    let mut wanted = before.clone();
    wanted["profile"] = profile.as_str().into();
    if before == wanted {
        return Ok(there.to_owned());
    }
    let changed = replaced(there, profile);
    if read(&changed).is_ok_and(|after| after == wanted) {
        Ok(changed)
    } else {
        Err("it is not written with one key per line".to_owned())
    }
}

fn read(configuration: &str) -> Result<Value, String> {
    let bare = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if configuration.lines().all(bare) {
        return Ok(json!({}));
    }
    match serde_saphyr::from_str::<Value>(configuration) {
        Ok(Value::Null) => Ok(json!({})),
        Ok(keys @ Value::Object(_)) => Ok(keys),
        Ok(_) => Err("it has no keys".to_owned()),
        Err(error) => {
            let error = error.to_string();
            Err(format!(
                "it cannot be read: {}",
                error.lines().next().unwrap_or_default()
            ))
        }
    }
}

/// The text with the line of the profile replaced, or with one more line.
fn replaced(there: &str, profile: Profile) -> String {
    let key = |line: &str| {
        let rest = line.strip_prefix("profile")?.trim_start();
        rest.strip_prefix(':').map(str::to_owned)
    };
    let line = format!("profile: {}", profile.as_str());
    if !there.lines().any(|line| key(line).is_some()) {
        return format!("{line}\n{there}");
    }
    let lines = there.lines().map(|old| match key(old) {
        Some(value) => match value.find(" #") {
            Some(comment) => format!("{line}{}\n", &value[comment..]),
            None => format!("{line}\n"),
        },
        None => format!("{old}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_manifests::render;

    const EDITED: &str = "# ours\nprofile: advisory # until May\ngracePeriod: 90s\noverrides:\n  - {code: SVC004, namespaces: [old], mode: warn}\n";

    #[test]
    fn only_the_profile_changes() {
        let changed = with_profile(EDITED, Profile::Guarded).unwrap();
        assert_eq!(
            changed,
            EDITED.replace("profile: advisory", "profile: guarded")
        );
        assert_eq!(with_profile(&changed, Profile::Guarded).unwrap(), changed);
        for (there, after) in [
            ("", "profile: strict\n"),
            ("# nothing yet\n", "profile: strict\n# nothing yet\n"),
            ("gracePeriod: 5s\n", "profile: strict\ngracePeriod: 5s\n"),
            ("profile : \"guarded\"\n", "profile: strict\n"),
        ] {
            assert_eq!(with_profile(there, Profile::Strict).unwrap(), after);
        }
    }

    #[test]
    fn what_cannot_be_changed_alone_is_not_changed() {
        for there in [
            "{profile: advisory, gracePeriod: 5s}",
            "profile:\n  advisory\ngracePeriod: 5s\n",
            "\"profile\": advisory\n",
            "- profile: advisory\n",
            "profile: [\n",
        ] {
            assert!(with_profile(there, Profile::Guarded).is_err(), "{there}");
        }
    }

    #[test]
    fn an_unusual_port_of_the_api_server_is_opened_once() {
        let slices =
            json!({"items": [{"ports": [{"name": "https", "port": 9345, "protocol": "TCP"}]}]});
        let mut objects = render(&Options::default());
        let opened = open(&mut objects, &ports(&slices));
        assert_eq!(opened, BTreeSet::from([9345]));
        let policies = objects
            .iter()
            .filter(|object| object["kind"] == "NetworkPolicy");
        for policy in policies {
            let last = policy["spec"]["egress"]
                .as_array()
                .and_then(|rules| rules.last());
            let wanted = json!({"ports": [{"port": 9345, "protocol": "TCP"}]});
            assert_eq!(last, Some(&wanted), "{policy}");
        }
        assert_eq!(open(&mut objects, &ports(&slices)), BTreeSet::new());
        let usual = json!({"items": [{"ports": [{"port": 6443}]}]});
        let mut objects = render(&Options::default());
        assert_eq!(open(&mut objects, &ports(&usual)), BTreeSet::new());
        assert_eq!(objects, render(&Options::default()));
    }
}
