//! Serving certificates from elsewhere: the server reads a Secret as files and needs no right to write one.

use serde_json::{Value, json};

use super::{Edits, add, in_container, replace, variable};
use crate::object::{Part, namespaced, with};
use crate::{Options, names, rbac};

/// Where the Secret is mounted.
const FOLDER: &str = "/etc/netdoctor/tls";

/// The user's own Secret; `caBundle` is the user's as well.
pub(super) fn files() -> Edits {
    let options = Options::default();
    let mut edits = Edits::patch(
        "Deployment",
        names::WEBHOOK,
        vec![
            replace(
                &in_container(&[
                    "env",
                    &variable(&options, "NETDOCTOR_CERTIFICATES"),
                    "value",
                ]),
                "files",
            ),
            add(
                &in_container(&["env", "-"]),
                json!({"name": "NETDOCTOR_TLS_DIR", "value": FOLDER}),
            ),
            add(
                &in_container(&["volumeMounts"]),
                json!([{"mountPath": FOLDER, "name": "tls", "readOnly": true}]),
            ),
            add(
                &["spec", "template", "spec", "volumes"],
                json!([{"name": "tls", "secret": {"defaultMode": 0o440, "secretName": names::TLS_SECRET}}]),
            ),
        ],
    );
    edits.also(
        "Role",
        names::WEBHOOK,
        vec![replace(&["rules"], json!([rbac::configuration()]))],
    );
    edits.removes = vec![
        ("ClusterRoleBinding", names::CONFIGURATIONS_ROLE),
        ("ClusterRole", names::CONFIGURATIONS_ROLE),
    ];
    edits
}

/// cert-manager issues from an authority of its own, so that a renewed certificate needs no new `caBundle`, and writes the
/// authority into the configurations.
pub(super) fn cert_manager(options: &Options) -> Edits {
    let mut edits = files();
    edits.adds = vec![
        issuer(options, SELF_SIGNED, &json!({"selfSigned": {}})),
        certificate(
            options,
            AUTHORITY,
            json!({
                "commonName": AUTHORITY,
                "duration": "43800h",
                "isCA": true,
                "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": SELF_SIGNED},
                "renewBefore": "8760h",
                "secretName": AUTHORITY,
                "usages": ["cert sign", "crl sign"],
            }),
        ),
        issuer(
            options,
            AUTHORITY,
            &json!({"ca": {"secretName": AUTHORITY}}),
        ),
        certificate(
            options,
            names::TLS_SECRET,
            json!({
                "dnsNames": dns_names(&options.namespace),
                "duration": "2160h",
                "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": AUTHORITY},
                "renewBefore": "720h",
                "secretName": names::TLS_SECRET,
                "usages": ["server auth"],
            }),
        ),
    ];
    let from = format!("{}/{}", options.namespace, names::TLS_SECRET);
    for (kind, name) in [
        ("ValidatingWebhookConfiguration", names::VALIDATING),
        ("MutatingWebhookConfiguration", names::MUTATING),
    ] {
        let annotations = json!({"cert-manager.io/inject-ca-from": from});
        edits.also(
            kind,
            name,
            vec![add(&["metadata", "annotations"], annotations)],
        );
    }
    edits
}

const SELF_SIGNED: &str = "netdoctor-self-signed";
const AUTHORITY: &str = "netdoctor-ca";

/// The names under which a Service is called; the API server uses the first.
fn dns_names(namespace: &str) -> [String; 2] {
    let host = format!("{}.{namespace}.svc", names::WEBHOOK);
    [host.clone(), format!("{host}.cluster.local")]
}

fn issuer(options: &Options, name: &str, spec: &Value) -> Value {
    with(
        namespaced(options, "cert-manager.io/v1", "Issuer", name, Part::Webhook),
        json!({"spec": spec}),
    )
}

fn certificate(options: &Options, name: &str, spec: Value) -> Value {
    let key =
        json!({"privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always", "size": 256}});
    let spec = with(spec, key);
    with(
        namespaced(
            options,
            "cert-manager.io/v1",
            "Certificate",
            name,
            Part::Webhook,
        ),
        json!({"spec": spec}),
    )
}
