//! What of an object may leave the cluster in a bundle: the fields that rules read, and derived tokens in place of
//! everything that may hold a secret.
//!
//! It works by permission: a field that is not named here is not kept, so a new field of Kubernetes can never leak.
//! Arguments, environment values and configuration data become [`Mentions`](crate::model::Mentions), certificates
//! become facts, and texts written by programs are scrubbed of what looks like a credential.

use crate::{
    model::{Kind, Mentions, NetworkSettings, TELLTALES, annotation_is_read, names_a_credential},
    pointer,
};
use serde_json::{Map, Value, json};

/// The redacted form of one object. It decodes into the same view as the object itself, except that free texts are
/// scrubbed.
pub fn redact(kind: Kind, object: &Value) -> Value {
    // A list of names says of every item that it is a PartialObjectMetadata.
    let whole = object
        .pointer("/kind")
        .is_none_or(|name| name != "PartialObjectMetadata");
    let stated = |field: &str| object.get(field).filter(|_| whole).cloned();
    let mut kept = json!({
        "apiVersion": stated("apiVersion").unwrap_or_else(|| kind.api_version().into()),
        "kind": stated("kind").unwrap_or_else(|| kind.name().into()),
        "metadata": metadata(object.get("metadata")),
    });
    for path in paths(kind) {
        copy(object, &mut kept, path);
    }
    match kind {
        Kind::Pod => put(&mut kept, "/spec", pod_spec(object.get("spec"))),
        Kind::CronJob => template(object, &mut kept, "/spec/jobTemplate/spec/template"),
        kind if kind.is_controller() => template(object, &mut kept, "/spec/template"),
        Kind::ConfigMap => config_map(object, &mut kept),
        Kind::Secret => secret(object, &mut kept),
        _ => {}
    }
    scrub_messages(&mut kept);
    kept
}

/// Paths that are copied whole, besides metadata and pod specifications.
fn paths(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &[
            "/status/phase",
            "/status/reason",
            "/status/message",
            "/status/conditions",
            "/status/podIP",
            "/status/podIPs",
            "/status/containerStatuses",
            "/status/initContainerStatuses",
            "/status/startTime",
        ],
        Kind::Service | Kind::Ingress => &["/spec", "/status/loadBalancer"],
        Kind::EndpointSlice => &["/addressType", "/endpoints", "/ports"],
        Kind::Node => &[
            "/spec/podCIDR",
            "/spec/podCIDRs",
            "/spec/unschedulable",
            "/spec/taints",
            "/spec/providerID",
            "/status/conditions",
            "/status/addresses",
            "/status/nodeInfo",
        ],
        Kind::Secret => &["/type"],
        Kind::Event => &[
            "/involvedObject",
            "/reason",
            "/message",
            "/type",
            "/count",
            "/lastTimestamp",
            "/eventTime",
            "/series",
        ],
        Kind::HorizontalPodAutoscaler => &[
            "/spec/scaleTargetRef",
            "/spec/minReplicas",
            "/spec/maxReplicas",
            "/status/conditions",
        ],
        Kind::IngressClass => &["/spec/controller"],
        Kind::NetworkPolicy | Kind::ServiceCIDR => &["/spec"],
        Kind::Certificate => &[
            "/spec/secretName",
            "/spec/dnsNames",
            "/spec/issuerRef",
            "/status",
        ],
        Kind::CertificateRequest => &[
            "/spec/issuerRef",
            "/status/conditions",
            "/status/failureTime",
        ],
        Kind::Order => &["/status/state", "/status/reason", "/status/failureTime"],
        Kind::Challenge => &[
            "/spec/dnsName",
            "/spec/type",
            "/status/state",
            "/status/reason",
        ],
        Kind::Issuer | Kind::ClusterIssuer => &["/status/conditions"],
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => &[
            "/webhooks/*/name",
            "/webhooks/*/failurePolicy",
            "/webhooks/*/clientConfig/service",
            "/webhooks/*/rules",
            "/webhooks/*/namespaceSelector",
        ],
        Kind::CustomResourceDefinition => &[
            "/spec/group",
            "/spec/conversion/strategy",
            "/spec/conversion/webhook/clientConfig/service",
        ],
        Kind::Gateway => &["/spec/gatewayClassName", "/spec/listeners"],
        Kind::IngressRoute => &["/spec/tls/secretName"],
        kind if kind.is_controller() => &[
            "/spec/replicas",
            "/spec/selector",
            "/spec/strategy",
            "/spec/updateStrategy",
            "/spec/paused",
            "/spec/suspend",
            "/spec/serviceName",
            "/status",
        ],
        _ => &[],
    }
}

fn metadata(metadata: Option<&Value>) -> Value {
    let mut kept = Value::Object(Map::new());
    let Some(metadata) = metadata else {
        return kept;
    };
    for path in [
        "/name",
        "/generateName",
        "/namespace",
        "/uid",
        "/labels",
        "/ownerReferences",
        "/creationTimestamp",
        "/deletionTimestamp",
        "/generation",
    ] {
        copy(metadata, &mut kept, path);
    }
    if let Some(Value::Object(annotations)) = metadata.get("annotations") {
        let read = annotations
            .iter()
            .filter(|(key, _)| annotation_is_read(key));
        let read: Map<String, Value> = read
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !read.is_empty() {
            kept["annotations"] = Value::Object(read);
        }
    }
    kept
}

fn template(object: &Value, kept: &mut Value, at: &str) {
    let Some(template) = object.pointer(at) else {
        return;
    };
    put(
        kept,
        at,
        json!({"metadata": metadata(template.get("metadata")), "spec": pod_spec(template.get("spec"))}),
    );
}

fn pod_spec(spec: Option<&Value>) -> Value {
    let mut kept = Value::Object(Map::new());
    let Some(spec) = spec else { return kept };
    for path in [
        "/hostNetwork",
        "/dnsPolicy",
        "/dnsConfig/nameservers",
        "/nodeName",
        "/nodeSelector",
        "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution",
        "/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution",
        "/tolerations",
        "/securityContext/runAsUser",
        "/securityContext/runAsNonRoot",
        "/volumes/*/configMap/name",
        "/volumes/*/projected/sources/*/configMap/name",
        "/os",
        "/restartPolicy",
        "/subdomain",
    ] {
        copy(spec, &mut kept, path);
    }
    for key in ["containers", "initContainers"] {
        if let Some(Value::Array(containers)) = spec.get(key) {
            kept[key] = containers.iter().map(container).collect();
        }
    }
    kept
}

fn container(container: &Value) -> Value {
    let mut kept = Value::Object(Map::new());
    for path in [
        "/name",
        "/image",
        "/ports",
        "/restartPolicy",
        "/securityContext/runAsUser",
        "/securityContext/runAsNonRoot",
        "/securityContext/privileged",
        "/securityContext/allowPrivilegeEscalation",
        "/securityContext/capabilities/add",
        "/env/*/valueFrom/configMapKeyRef/name",
        "/envFrom/*/configMapRef/name",
    ] {
        copy(container, &mut kept, path);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for field in [
            "httpGet/port",
            "httpGet/host",
            "tcpSocket",
            "grpc",
            "initialDelaySeconds",
            "periodSeconds",
            "failureThreshold",
        ] {
            copy(container, &mut kept, &format!("/{probe}/{field}"));
        }
    }
    for hook in ["postStart", "preStop"] {
        for field in ["httpGet/port", "httpGet/host", "tcpSocket"] {
            copy(container, &mut kept, &format!("/lifecycle/{hook}/{field}"));
        }
    }
    let values = container
        .get("env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let values = values
        .filter(|variable| {
            !variable
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(names_a_credential)
        })
        .filter_map(|variable| variable.get("value")?.as_str());
    let said = texts(container.get("command"))
        .into_iter()
        .chain(texts(container.get("args")))
        .chain(values);
    let already: Mentions = container
        .get("netdoctorMentions")
        .and_then(|value| serde::Deserialize::deserialize(value).ok())
        .unwrap_or_default();
    let found = Mentions::of(said).merged(already);
    if !found.is_empty() {
        kept["netdoctorMentions"] = tokens(&found);
    }
    kept
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(map)) => map.values().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn mentions(texts: Vec<&str>) -> Value {
    tokens(&Mentions::of(texts))
}

fn tokens(mentions: &Mentions) -> Value {
    json!({
        "ports": mentions.ports,
        "hosts": mentions.hosts,
        "names": mentions.names,
        "flags": mentions.flags,
    })
}

/// Tokens of the data, and the network settings of the cluster's own components.
fn config_map(object: &Value, kept: &mut Value) {
    put(
        kept,
        "/netdoctorMentions",
        mentions(texts(object.get("data"))),
    );
    let data = object.get("data").and_then(Value::as_object);
    let values = data.into_iter().flatten();
    let texts = values.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    if let Some(settings) = NetworkSettings::of(texts) {
        put(kept, "/netdoctorNetwork", settings.to_json());
    } else if let Some(already) = object.get("netdoctorNetwork") {
        put(kept, "/netdoctorNetwork", already.clone());
    }
}

fn secret(object: &Value, kept: &mut Value) {
    use crate::{model::Secret, model::decode};
    let Ok(decode::Any::Secret(Secret {
        certificate: Some(Ok(chain)),
        ..
    })) = decode::from_value(with_type(object), crate::model::Origin::Live)
    else {
        return;
    };
    if let Ok(facts) = serde_json::to_value(chain) {
        kept["netdoctorCertificates"] = facts;
    }
}

fn with_type(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(map) = &mut object {
        map.insert("apiVersion".into(), "v1".into());
        map.insert("kind".into(), "Secret".into());
    }
    object
}

/// Copies what `path` names from one value to the other; `*` stands for every element of a list.
fn copy(from: &Value, to: &mut Value, path: &str) {
    let Some((before, after)) = path.split_once("/*") else {
        if let Some(value) = from.pointer(path).filter(|value| !value.is_null()) {
            put(to, path, value.clone());
        }
        return;
    };
    let Some(Value::Array(items)) = from.pointer(before) else {
        return;
    };
    if to.pointer(before).is_none() {
        put(
            to,
            before,
            Value::Array(vec![Value::Object(Map::new()); items.len()]),
        );
    }
    for (index, item) in items.iter().enumerate() {
        let Some(target) = to.pointer_mut(&format!("{before}/{index}")) else {
            continue;
        };
        if after.is_empty() {
            *target = item.clone();
        } else {
            copy(item, target, after);
        }
    }
}

/// Puts a value at a path of object keys, making what is missing.
fn put(to: &mut Value, path: &str, value: Value) {
    let mut at = to;
    for token in path.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else { return };
        at = map.entry(pointer::unescape(token)).or_insert(Value::Null);
    }
    *at = value;
}

fn scrub_messages(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "message" || key == "reason" => {
                        *text = scrub(text);
                    }
                    _ => scrub_messages(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(scrub_messages),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text without what looks like a credential: user parts of URLs, values of telling names, long opaque words.
pub fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hide_next = false;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        let lower = word.to_ascii_lowercase();
        if word.is_empty() {
            out.push_str(piece);
            continue;
        }
        if hide_next && !matches!(lower.as_str(), "bearer" | "basic") {
            out.push_str("<redacted>");
            hide_next = false;
        } else if let Some(at) = assignment(&lower) {
            out.push_str(&word[..at]);
            if at < word.len() {
                out.push_str("<redacted>");
            } else {
                hide_next = true;
            }
        } else {
            hide_next |= lower == "bearer";
            out.push_str(&without_user(word));
        }
        out.push_str(space);
    }
    out
}

/// Where the value of `password=…` or `token: …` begins.
fn assignment(lower: &str) -> Option<usize> {
    let at = lower.find(['=', ':'])?;
    let name = lower[..at].trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    TELLTALES
        .iter()
        .any(|telltale| name.ends_with(telltale))
        .then_some(at + 1)
}

fn without_user(word: &str) -> String {
    if let Some((scheme, rest)) = word.split_once("://") {
        let end = rest.find('/').unwrap_or(rest.len());
        if let Some(at) = rest[..end].rfind('@') {
            return format!("{scheme}://<redacted>{}", &rest[at..]);
        }
    }
    let opaque = word.len() >= 40
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b));
    let mixed =
        word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_uppercase());
    if opaque && mixed {
        "<redacted>".to_owned()
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decode::{self, Any};

    #[test]
    fn only_what_rules_read_stays() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{s3cret}", "netdoctor.io/allow-SVC001": "known"}},
            "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}],
                "args": ["--db=postgres://u:hunter2@db.shop.svc:5432/x"],
                "env": [{"name": "KEY", "value": "hunter2"}, {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "k"}}}],
                "readinessProbe": {"httpGet": {"port": "http", "httpHeaders": [{"name": "Authorization", "value": "hunter2"}]}}}],
                "volumes": [{"secret": {"secretName": "s"}}, {"configMap": {"name": "conf"}}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "web", "lastState": {"terminated": {
                "message": "dial postgres://u:hunter2@db:5432: password=hunter2 token: hunter2"}}}]}});
        let kept = redact(Kind::Pod, &pod);
        let text = kept.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("s3cret"),
            "{text}"
        );
        let views =
            [pod, kept].map(
                |value| match decode::from_value(value, crate::model::Origin::Live) {
                    Ok(Any::Pod(pod)) => pod,
                    other => panic!("{other:?}"),
                },
            );
        assert_eq!(views[0].spec, views[1].spec);
        assert_eq!(views[0].meta, views[1].meta);
    }

    #[test]
    fn keys_and_challenge_tokens_never_stay() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "kubernetes.io/tls",
            "data": {"tls.key": "aHVudGVyMg==", "tls.crt": "bm90IGEgY2VydA==", "other": "aHVudGVyMg=="}});
        let kept = redact(Kind::Secret, &secret).to_string();
        assert!(
            !kept.contains("aHVudGVyMg") && !kept.contains("bm90IGEg"),
            "{kept}"
        );
        let challenge = json!({"spec": {"dnsName": "x.test", "key": "hunter2", "token": "hunter2"}, "status": {"state": "pending"}});
        assert!(
            !redact(Kind::Challenge, &challenge)
                .to_string()
                .contains("hunter2")
        );
        let map = json!({"metadata": {"name": "m"}, "data": {"app.conf": "password=hunter2\nlisten 8080"}});
        let kept = redact(Kind::ConfigMap, &map);
        assert!(!kept.to_string().contains("hunter2"));
        assert_eq!(kept["netdoctorMentions"]["ports"], json!([8080]));
    }

    #[test]
    fn scrubbing_keeps_what_diagnosis_needs() {
        assert_eq!(
            scrub("listen tcp 0.0.0.0:80: bind: address already in use"),
            "listen tcp 0.0.0.0:80: bind: address already in use"
        );
        assert_eq!(
            scrub("Authorization: Bearer abc.def"),
            "Authorization: Bearer <redacted>"
        );
        assert_eq!(scrub("DB_PASSWORD=x y"), "DB_PASSWORD=<redacted> y");
        assert_eq!(scrub("http://u:p@h/x"), "http://<redacted>@h/x");
    }

    #[test]
    fn network_settings_survive_and_the_texts_they_were_read_from_do_not() {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coredns", "namespace": "kube-system"},
            "data": {
                "Corefile": ".:53 {\n kubernetes corp.test in-addr.arpa\n # hunter2\n}\n",
                "config.conf": "kind: KubeProxyConfiguration\nmode: ipvs\nclusterCIDR: 10.0.0.0/8\n",
            },
        });
        let settings = |value: &Value| match crate::model::decode::from_value(
            value.clone(),
            crate::model::Origin::Live,
        ) {
            Ok(crate::model::decode::Any::ConfigMap(map)) => map.network,
            other => panic!("{other:?}"),
        };
        let kept = redact(Kind::ConfigMap, &object);
        assert!(!kept.to_string().contains("hunter2"));
        assert!(settings(&object).is_some());
        assert_eq!(settings(&kept), settings(&object));
        assert_eq!(
            redact(Kind::ConfigMap, &kept)["netdoctorNetwork"],
            kept["netdoctorNetwork"]
        );
    }

    #[test]
    fn last_words_still_tell_of_the_network() {
        for message in [
            "[FATAL] plugin/loop: Loop (127.0.0.1:39723 -> :53) detected for zone \".\"",
            "listen tcp :8080: bind: address already in use",
            "dial tcp 10.0.0.1:5432: connect: connection refused",
        ] {
            let state = json!([{"name": "c", "lastState": {"terminated": {"exitCode": 1, "message": message}}}]);
            let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"containerStatuses": state}});
            let kept = redact(Kind::Pod, &object);
            let said = kept.pointer("/status/containerStatuses/0/lastState/terminated/message");
            assert_eq!(said.and_then(Value::as_str), Some(message));
        }
    }
}
