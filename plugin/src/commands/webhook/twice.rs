//! Webhook and policies in one cluster: what both judge is warned about twice, until one of them leaves it to the other
//! (webhook.md 13).

use netdoctor_manifests::{Mode, names, policy};
use serde_json::Value;

use super::home;
use super::object::{self, ADMISSION, OURS, text};
use crate::cluster::{ApiError, Cluster};

/// What to do about double warnings where both are installed, or will be when `installs` is, and the line that ends them.
/// `None` where nobody is warned twice, and where that may not be read.
pub(super) async fn advice(
    cluster: &Cluster,
    namespace: &str,
    installs: Option<Mode>,
) -> Result<Option<[String; 2]>, ApiError> {
    let both = (installs == Some(Mode::Policy) || has_policies(cluster).await?)
        && (installs == Some(Mode::Webhook) || has_webhook(cluster).await?);
    if !both {
        return Ok(None);
    }
    let home = home::home(cluster).await?;
    let namespace = home.unwrap_or_else(|| namespace.to_owned());
    let map = object::of("v1", "ConfigMap", &namespace, names::CONFIG_MAP);
    let configuration = readable(cluster.find(&map.path).await)?;
    Ok(words(&codes(configuration.as_ref()), &namespace))
}

async fn has_webhook(cluster: &Cluster) -> Result<bool, ApiError> {
    let kind = "ValidatingWebhookConfiguration";
    let place = object::of(ADMISSION, kind, "", names::VALIDATING);
    Ok(readable(cluster.find(&place.path).await)?.is_some())
}

/// Whether policies are bound; the label guard judges no objects.
async fn has_policies(cluster: &Cluster) -> Result<bool, ApiError> {
    let kind = "ValidatingAdmissionPolicyBinding";
    let collection = object::of(ADMISSION, kind, "", "").collection;
    let list = readable(cluster.find(&format!("{collection}?{OURS}")).await)?.unwrap_or_default();
    let mut bindings = list["items"].as_array().into_iter().flatten();
    Ok(bindings.any(|binding| text(binding, "/spec/policyName") != names::LABEL_GUARD))
}

fn readable(found: Result<Option<Value>, ApiError>) -> Result<Option<Value>, ApiError> {
    match found {
        Err(ApiError::Forbidden { .. }) => Ok(None),
        other => other,
    }
}

/// Rules that policies judge and that the configuration of the webhook does not leave to them.
fn codes(configuration: Option<&Value>) -> Vec<&'static str> {
    let written = configuration.and_then(|map| map["data"][names::CONFIG_KEY].as_str());
    let written = written.and_then(|text| serde_saphyr::from_str::<Value>(text).ok());
    let rules = written
        .map(|written| written["rules"].clone())
        .unwrap_or_default();
    let is_on = |code: &&str| {
        let rule = &rules[code];
        let off = rule["severity"] == "off" || rule["severity"] == false;
        !off || !rule["namespaces"].is_null()
    };
    let mut codes: Vec<&str> = policy::expressed()
        .map(|one| one.code)
        .filter(is_on)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn words(codes: &[&str], namespace: &str) -> Option<[String; 2]> {
    if codes.is_empty() {
        return None;
    }
    let off: Vec<String> = codes
        .iter()
        .map(|code| format!("{code}: {{severity: off}}"))
        .collect();
    let advice = format!(
        "Webhook and policies are both there, and what both judge is warned about twice. To leave it to the policies, add to \
         configmap/{} in namespace {namespace}, key {}:",
        names::CONFIG_MAP,
        names::CONFIG_KEY
    );
    Some([advice, format!("rules: {{{}}}", off.join(", "))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn configured(text: &str) -> Value {
        json!({"data": {names::CONFIG_KEY: text}})
    }

    #[test]
    fn the_lines_end_what_they_are_about() {
        let all = codes(None);
        assert!(
            all.contains(&"HST002") && all.contains(&"POL007"),
            "{all:?}"
        );
        let [advice, line] = words(&all, "guard").unwrap();
        assert!(advice.contains("in namespace guard"), "{advice}");
        assert_eq!(codes(Some(&configured(&line))), Vec::<&str>::new());
        assert_eq!(super::words(&[], "guard"), None);
    }

    #[test]
    fn what_is_off_already_is_not_named_again() {
        let some = configured(
            "profile: guarded\nrules:\n  HST002: {severity: off}\n  HST004: {severity: off, namespaces: [edge]}\n",
        );
        let left = codes(Some(&some));
        assert!(
            !left.contains(&"HST002") && left.contains(&"HST004"),
            "{left:?}"
        );
        assert_eq!(codes(Some(&configured("rules: ["))), codes(None));
    }
}
