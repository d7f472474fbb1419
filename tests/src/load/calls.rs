//! What is sent, and what an answer to it means.

use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::Plan;
use super::account::Reason;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A Pod on the host network that cannot resolve the name in its arguments: HST004.
    Pods,
    /// An alias for an address, which no DNS server can answer with: SVC019.
    Services,
    /// A Deployment of such Pods, without replicas: HST004.
    Deployments,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Each call creates an object.
    Create,
    /// Each client changes an object of its own: a dry run always into the flawed one, otherwise there and back.
    Update,
}

/// One call.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    /// Whether the answer must hold the warning.
    pub(super) flawed: bool,
}

/// The calls of a load.
pub(super) struct Calls {
    resource: Resource,
    action: Action,
    dry_run: bool,
    object: Value,
    collection: String,
}

impl Resource {
    /// The rule that warns of the sample.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pods | Self::Deployments => "HST004",
            Self::Services => "SVC019",
        }
    }

    fn collection(self, namespace: &str) -> String {
        match self {
            Self::Pods => format!("/api/v1/namespaces/{namespace}/pods"),
            Self::Services => format!("/api/v1/namespaces/{namespace}/services"),
            Self::Deployments => format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
        }
    }

    /// The flawed sample, or the same without the flaw.
    fn sample(self, flawed: bool) -> Value {
        let policy = if flawed {
            "ClusterFirst"
        } else {
            "ClusterFirstWithHostNet"
        };
        let pod = json!({
            "hostNetwork": true,
            "dnsPolicy": policy,
            "containers": [{
                "name": "shipper",
                "image": "registry.example.test/shipper:1",
                "args": ["--to=http://store.logging.svc:9200"],
            }],
        });
        match self {
            Self::Pods => json!({"apiVersion": "v1", "kind": "Pod", "spec": pod}),
            Self::Services => {
                let name = if flawed {
                    "10.20.30.40"
                } else {
                    "database.example.test"
                };
                let spec = json!({"type": "ExternalName", "externalName": name});
                json!({"apiVersion": "v1", "kind": "Service", "spec": spec})
            }
            Self::Deployments => {
                let labels = json!({"app": "shipper"});
                let template = json!({"metadata": {"labels": labels}, "spec": pod});
                let spec = json!({"replicas": 0, "selector": {"matchLabels": labels}, "template": template});
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec})
            }
        }
    }

    /// The merge patch into the flawed object, or back.
    fn patch(self, flawed: bool) -> Value {
        match self {
            // Nothing of a Pod that rules read can be changed, but labels are looked at.
            Self::Pods => json!({"metadata": {"labels": {"flawed": flawed.to_string()}}}),
            Self::Services | Self::Deployments => json!({"spec": self.sample(flawed)["spec"]}),
        }
    }
}

impl Calls {
    pub(super) fn new(plan: &Plan, namespace: &str) -> Self {
        let sample = || plan.resource.sample(plan.action == Action::Create);
        Self {
            resource: plan.resource,
            action: plan.action,
            dry_run: plan.dry_run,
            object: plan.object.clone().unwrap_or_else(sample),
            collection: plan.resource.collection(namespace),
        }
    }

    /// What a client needs before its first call. With nothing to prepare it is what the calls do, as a dry run.
    pub(super) fn preparation(&self, client: usize) -> Call {
        let dry_run = self.action == Action::Create;
        self.create(format!("load-{client}"), dry_run)
    }

    /// How many clients need one.
    pub(super) fn preparations(&self, clients: usize) -> usize {
        match self.action {
            Action::Create => 1,
            Action::Update => clients,
        }
    }

    /// The call with this number of a client.
    pub(super) fn call(&self, client: usize, number: u64) -> Call {
        match self.action {
            Action::Create => self.create(format!("load-{client}-{number}"), self.dry_run),
            Action::Update => {
                let flawed = self.dry_run || number.is_multiple_of(2);
                let name = format!("load-{client}");
                Call {
                    method: Method::PATCH,
                    path: format!("{}/{name}{}", self.collection, query(self.dry_run)),
                    content_type: "application/merge-patch+json",
                    body: self.resource.patch(flawed).to_string().into(),
                    flawed,
                }
            }
        }
    }

    fn create(&self, name: String, dry_run: bool) -> Call {
        let mut object = self.object.clone();
        object["metadata"]["name"] = name.into();
        Call {
            method: Method::POST,
            path: format!("{}{}", self.collection, query(dry_run)),
            content_type: "application/json",
            body: object.to_string().into(),
            flawed: true,
        }
    }
}

fn query(dry_run: bool) -> &'static str {
    if dry_run { "?dryRun=All" } else { "" }
}

/// The rule that a warning of the API server comes from: `299 - "HST004: ..."`. Other warnings have no code.
pub(super) fn code(warning: &str) -> Option<&str> {
    let text = warning.split_once('"')?.1;
    let code = text.get(..6)?;
    let (area, number) = code.split_at(3);
    let is_code = area.bytes().all(|byte| byte.is_ascii_uppercase())
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some(code)
}

/// Why an answer with this status is none, and what it says.
pub(super) fn failure(status: u16, body: &[u8]) -> Option<(Reason, String)> {
    let reason = match status {
        200..=299 => return None,
        500..=599 => Reason::Server,
        _ if holds(body, b"denied the request") => Reason::Denied,
        _ => Reason::Client,
    };
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = said["message"].as_str().unwrap_or_default();
    Some((reason, format!("{status} {message}")))
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_known_by_its_code() {
        let warning = r#"299 - "HST004: uses the node's resolver. Fix: ...""#;
        assert_eq!(code(warning), Some("HST004"));
        assert_eq!(code(r#"299 - "SVC019 fix: in spec: ...""#), Some("SVC019"));
        assert_eq!(code(r#"299 - "not judged: busy""#), None);
        assert_eq!(code(r#"299 - "Ü""#), None);
        assert_eq!(code("garbage"), None);
    }

    #[test]
    fn a_denial_is_no_other_refusal() {
        assert_eq!(failure(201, b""), None);
        let denied = br#"{"message":"admission webhook \"x\" denied the request: HST002"}"#;
        let denied = failure(403, denied).map(|(reason, _)| reason);
        assert_eq!(denied, Some(Reason::Denied));
        let forbidden = failure(403, br#"{"message":"pods is forbidden"}"#);
        assert_eq!(
            forbidden,
            Some((Reason::Client, "403 pods is forbidden".to_owned()))
        );
        let broken = failure(500, b"not json").map(|(reason, _)| reason);
        assert_eq!(broken, Some(Reason::Server));
    }

    #[test]
    fn an_update_that_is_stored_goes_there_and_back() {
        let plan = Plan {
            resource: Resource::Services,
            action: Action::Update,
            dry_run: false,
            ..Plan::default()
        };
        let calls = Calls::new(&plan, "shop");
        let [there, back] = [0, 1].map(|number| calls.call(7, number));
        assert!(there.flawed && !back.flawed);
        assert_eq!(there.path, "/api/v1/namespaces/shop/services/load-7");
        assert_ne!(there.body, back.body);
        let dry = Calls::new(
            &Plan {
                dry_run: true,
                ..plan
            },
            "shop",
        );
        assert!(dry.call(7, 0).flawed && dry.call(7, 1).flawed);
        assert!(dry.call(7, 1).path.ends_with("?dryRun=All"));
    }
}
