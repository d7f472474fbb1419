//! Whose certificates they are.

use netdoctor_manifests::{Certificates, Options, names};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

use crate::{applied, said, webhook};

#[test]
fn a_rotation_is_a_wish_in_an_annotation() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let absent = webhook(&file, &["certs", "rotate", "--yes"]).exits(3);
    assert!(
        absent
            .stderr
            .contains("there is no Secret netdoctor-webhook-ca"),
        "{}",
        absent.stderr
    );
    let _ = server.namespace_called(names::NAMESPACE);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names::CA_SECRET, "namespace": names::NAMESPACE}});
    server.apply(&secret.to_string());
    let read = || {
        let secret = server.kubectl(&[
            "get",
            "secret",
            names::CA_SECRET,
            "-n",
            names::NAMESPACE,
            "-o",
            "json",
        ]);
        secret.ok().json()["metadata"]["annotations"][names::ROTATE_ANNOTATION].clone()
    };
    webhook(&file, &["certs", "rotate", "--dry-run=server"]).ok();
    assert_eq!(read(), Value::Null);
    let done = webhook(&file, &["certs", "rotate", "--yes"]).ok();
    assert_eq!(done.stdout, "secret/netdoctor-webhook-ca annotated\n");
    let first = read();
    assert!(first.as_str().unwrap().ends_with('Z'), "{first}");
    webhook(&file, &["certs", "rotate", "--yes"]).ok();
    assert_ne!(read(), first, "a second wish is another one");
}

/// The Secret of an authority that signs nothing any more is no reason for an alarm, and rotating it would change nothing.
#[test]
fn an_authority_from_before_is_only_mentioned() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let options = Options {
        certificates: Certificates::Files,
        ..Options::default()
    };
    applied(&server, &options);
    let pem = netdoctor_lab::tls::Authority::new("before").unwrap().pem();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": names::CA_SECRET, "namespace": names::NAMESPACE},
        "stringData": {names::CA_CERTIFICATE_KEY: pem},
    });
    server.apply(&secret.to_string());
    let status = webhook(&file, &["status"]).exits(1);
    let words = status
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    said(&words, "the certificate is not self-managed");
    said(&words, "Secret netdoctor-webhook-ca is left from before");
    assert!(
        !words.contains("does not trust the authority that signs"),
        "{words}"
    );
    let rotate = webhook(&file, &["certs", "rotate", "--yes"]).exits(3);
    said(
        &rotate.stderr,
        "it comes from somebody else, who has to rotate it",
    );
    assert_eq!(rotate.stdout, "");
}
