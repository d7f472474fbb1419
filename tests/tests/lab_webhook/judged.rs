//! What users see.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use netdoctor_lab::{Output, image};
use netdoctor_manifests::names;
use serde_json::{Value, json};

use crate::contains;
use crate::inside::{self, Task};
use crate::stage::{NAMESPACE, PATIENCE, Stage};

/// Text with a namespace to be filled in.
pub(crate) struct Template(&'static str);

/// Three replicas on the host network, which may land on one node, where two of them would want the same ports.
pub(crate) const EDGE: Template = Template(
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: edge, namespace: NAMESPACE}, spec: {replicas: 3, \
     selector: {matchLabels: {app: edge}}, template: {metadata: {labels: {app: edge}}, spec: {hostNetwork: true, \
     dnsPolicy: ClusterFirstWithHostNet, containers: [{name: edge, image: 'IMAGE', args: [pause]}]}}}}",
);

/// A Service that leads to a port which its Pods do not declare.
pub(crate) const WEB: Template = Template(
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: NAMESPACE}, spec: {selector: {app: shop}, \
     ports: [{name: http, port: 80, targetPort: htpp}]}}",
);

/// The Pods behind that Service.
pub(crate) const SHOP: Template = Template(
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: shop, namespace: NAMESPACE}, spec: {replicas: 1, \
     selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {\
     terminationGracePeriodSeconds: 0, containers: [{name: shop, image: 'IMAGE', args: [pause], \
     ports: [{name: http, containerPort: 8080}]}]}}}}",
);

/// A Pod on the host network that uses a name of the cluster and left `dnsPolicy` at its default.
const SHIPPER: Template = Template(
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: shipper, namespace: NAMESPACE}, spec: {replicas: 0, \
     selector: {matchLabels: {app: shipper}}, template: {metadata: {labels: {app: shipper}}, spec: {hostNetwork: true, \
     containers: [{name: shipper, image: 'IMAGE', args: [pause, '--to=http://store.logging.svc:9200']}]}}}}",
);

/// A Service as it should be for [`SHOP`], and an Ingress that leads to it.
const FRONT: Template = Template(
    "{apiVersion: v1, kind: List, items: [\
     {apiVersion: v1, kind: Service, metadata: {name: web, namespace: NAMESPACE}, spec: {selector: {app: shop}, \
      ports: [{name: http, port: 80, targetPort: http}]}}, \
     {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: NAMESPACE}, \
      spec: {defaultBackend: {service: {name: web, port: {name: http}}}}}]}",
);

/// One Pod that takes a port of its node.
const GATE: Template = Template(
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: gate, namespace: NAMESPACE}, spec: {replicas: 1, \
     strategy: {type: Recreate}, selector: {matchLabels: {app: gate}}, template: {metadata: {labels: {app: gate}}, \
     spec: {terminationGracePeriodSeconds: 0, containers: [{name: gate, image: 'IMAGE', args: [pause], \
     ports: [{containerPort: 8443, hostPort: 8443}]}]}}}}",
);

impl Template {
    pub(crate) fn in_namespace(&self, namespace: &str) -> String {
        self.0
            .replace("NAMESPACE", namespace)
            .replace("IMAGE", &image::agnhost())
    }
}

/// What kubectl passed on.
pub(crate) struct Warned {
    pub(crate) codes: BTreeSet<String>,
    pub(crate) text: String,
}

impl Warned {
    pub(crate) fn of(output: &Output) -> Self {
        let lines = output.stderr.lines();
        let lines: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("Warning: "))
            .collect();
        let code = |line: &&str| {
            let code = line.split([':', ' ']).next().unwrap_or_default();
            let upper = code.bytes().take(3).all(|byte| byte.is_ascii_uppercase());
            (code.len() == 6 && upper).then(|| code.to_owned())
        };
        Self {
            codes: lines.iter().filter_map(code).collect(),
            text: lines.join("\n"),
        }
    }
}

/// Code, object, fact and fix, of both objects of the story, which are created all the same.
pub(crate) fn advisory(stage: &Stage) -> Result<()> {
    stage.installed()?;
    stage.namespace("shop", "")?;
    let edge = stage.apply_as_jane(&EDGE.in_namespace("shop"))?;
    ensure!(
        edge.ok() && edge.stdout.contains("edge created"),
        "{edge:?}"
    );
    let warned = Warned::of(&edge);
    for part in [
        "HST002: two of the 3 Pods of Deployment shop/edge may share a node",
        "Fix: keep its Pods on different nodes",
        "HST002 fix: in spec.template.spec: affinity: {podAntiAffinity: {requiredDuringScheduling",
    ] {
        contains(&warned.text, part)?;
    }
    let shop = stage.apply_as_jane(&SHOP.in_namespace("shop"))?;
    ensure!(shop.ok() && Warned::of(&shop).codes.is_empty(), "{shop:?}");
    // A replica learns of the Deployment by its watch.
    stage
        .lab
        .wait("SVC004 about a Service", PATIENCE, || {
            stage.lab.delete(&WEB.in_namespace("shop"))?;
            let web = stage.apply_as_jane(&WEB.in_namespace("shop"))?;
            ensure!(web.ok(), "{web:?}");
            let warned = Warned::of(&web);
            Ok(warned.codes.contains("SVC004").then_some(warned.text))
        })
        .and_then(|text| {
            contains(&text, "port http (80/TCP) of Service shop/web targets htpp")?;
            contains(
                &text,
                "Fix: target http (in spec.ports[0]: targetPort: http)",
            )
        })?;
    stage
        .lab
        .must(&["delete", "namespace", "shop", "--wait=false"], "")
        .map(drop)
}

/// The same is refused where a namespace asks for it, with the causes as data, and nothing is created.
pub(crate) fn guarded(stage: &Stage) -> Result<()> {
    stage.installed()?;
    stage.namespace("vault", "netdoctor.io/profile: guarded")?;
    // A contradiction is refused when the other object has been what it is for a while: here, a second.
    configure(stage, "profile: advisory\ngracePeriod: 1s\n")?;
    let shop = stage.apply_as_jane(&SHOP.in_namespace("vault"))?;
    ensure!(shop.ok(), "{shop:?}");
    let refused = |yaml: &str, words: [&str; 3]| {
        let output = stage.lab.wait("a refusal", PATIENCE, || {
            stage.lab.delete(yaml)?;
            let output = stage.apply_as_jane(yaml)?;
            Ok((!output.ok()).then_some(output))
        })?;
        contains(
            &output.stderr,
            "admission webhook \"validate.netdoctor.io\" denied the request",
        )?;
        words
            .into_iter()
            .try_for_each(|word| contains(&output.stderr, word))
    };
    let edge = EDGE.in_namespace("vault");
    refused(
        &edge,
        [
            "HST002: ",
            "Deployment vault/edge",
            "Fix: keep its Pods on different nodes",
        ],
    )?;
    let web = WEB.in_namespace("vault");
    refused(
        &web,
        [
            "SVC004: ",
            "Service vault/web",
            "Fix: target http (in spec.ports[0]: targetPort: http)",
        ],
    )?;

    let answer = inside::ask(
        stage,
        &Task::Create {
            path: "/api/v1/namespaces/vault/services".to_owned(),
            user: "jane".to_owned(),
            object: serde_saphyr::from_str(&web)?,
        },
    )?;
    ensure!(answer["code"] == 403, "{answer:#}");
    let cause = &answer["details"]["causes"][0];
    ensure!(
        cause["reason"] == "SVC004" && cause["field"] == "spec.ports[0].targetPort",
        "{answer:#}"
    );
    contains(cause["message"].as_str().unwrap_or_default(), "htpp")?;
    let there = stage.lab.must(
        &["get", "deployments,services", "-n", "vault", "-o=name"],
        "",
    )?;
    ensure!(there.stdout == "deployment.apps/shop\n", "{}", there.stdout);
    configure(stage, "profile: advisory\n")?;
    stage
        .lab
        .must(&["delete", "namespace", "vault", "--wait=false"], "")
        .map(drop)
}

/// The second webhook changes what was left open, says so, and only where a namespace asks for it.
pub(crate) fn repaired(stage: &Stage) -> Result<()> {
    stage.installed()?;
    stage.install(&["--with=mutate"])?;
    stage.namespace("asked", "netdoctor.io/mutate: enabled")?;
    stage.namespace("unasked", "")?;
    let policy = |namespace: &str| {
        let path = "-o=jsonpath={.spec.template.spec.dnsPolicy}";
        stage
            .lab
            .must(&["get", "deployment", "shipper", "-n", namespace, path], "")
    };
    let repaired = stage.lab.wait("a repair", PATIENCE, || {
        let yaml = SHIPPER.in_namespace("asked");
        stage.lab.delete(&yaml)?;
        let output = stage.apply_as_jane(&yaml)?;
        ensure!(output.ok(), "{output:?}");
        Ok((policy("asked")?.stdout == "ClusterFirstWithHostNet").then_some(output))
    })?;
    contains(&Warned::of(&repaired).text, "HST004")?;
    contains(&repaired.stderr, "dnsPolicy")?;
    let left = stage.apply_as_jane(&SHIPPER.in_namespace("unasked"))?;
    ensure!(Warned::of(&left).codes.contains("HST004"), "{left:?}");
    ensure!(policy("unasked")?.stdout == "ClusterFirst");

    let webhook = ["delete", "mutatingwebhookconfiguration", names::MUTATING];
    stage.lab.must(&webhook, "")?;
    let namespaces = ["delete", "namespace", "asked", "unasked", "--wait=false"];
    stage.lab.must(&namespaces, "").map(drop)
}

/// Writes the configuration, which the replicas read without a restart.
fn configure(stage: &Stage, text: &str) -> Result<()> {
    let patch: Value = json!({"data": {names::CONFIG_KEY: text}});
    let namespace = format!("--namespace={NAMESPACE}");
    let patch = patch.to_string();
    let arguments = [
        "patch",
        &*namespace,
        "configmap",
        names::CONFIG_MAP,
        "--type=merge",
        "-p",
        &patch,
    ];
    stage.lab.must(&arguments, "").map(drop)
}

/// Whoever installs two parts more is warned of what a deletion breaks and of more replicas than nodes. No Pod of the
/// webhook notices, and installing without them ends it.
pub(crate) fn asked_more(stage: &Stage) -> Result<()> {
    stage.install(&[])?;
    let replicas = stage.replicas()?;
    stage.install(&["--with=deletions,scale"])?;
    stage.namespace("leaving", "netdoctor.io/profile: strict")?;
    for template in [&SHOP, &FRONT, &GATE] {
        let output = stage.apply_as_jane(&template.in_namespace("leaving"))?;
        ensure!(output.ok(), "{output:?}");
    }
    let jane = |arguments: &[&str]| {
        let output = stage
            .lab
            .kubectl(&[&["--as=jane", "--namespace=leaving"], arguments].concat())?;
        ensure!(output.ok(), "{output:?}");
        Ok(Warned::of(&output))
    };
    let try_to_delete = ["delete", "service/web", "--dry-run=server"];
    let said = stage.lab.wait("ING001 about a deletion", PATIENCE, || {
        let warned = jane(&try_to_delete)?;
        Ok(warned.codes.contains("ING001").then_some(warned.text))
    })?;
    contains(&said, "Ingress leaving/web")?;
    // However strict the namespace is, it goes.
    jane(&["delete", "service/web"])?;
    ensure!(
        stage
            .lab
            .kubectl(&["get", "service/web", "-n=leaving"])?
            .code
            != 0
    );
    let warned = jane(&["scale", "deployment/gate", "--replicas=5"])?;
    ensure!(
        warned.codes == ["HST010".to_owned()].into(),
        "{}",
        warned.text
    );
    contains(&warned.text, "Deployment leaving/gate")?;
    jane(&["scale", "deployment/gate", "--replicas=1"])?;

    stage.install(&[])?;
    ensure!(stage.replicas()? == replicas);
    let kind = "validatingwebhookconfiguration";
    let rules = stage.lab.get(&[kind, names::VALIDATING])?["webhooks"][0]["rules"].to_string();
    ensure!(
        !rules.contains("DELETE") && !rules.contains("/scale"),
        "{rules}"
    );
    // The API server goes by it a moment later.
    stage.lab.wait("silence about scaling", PATIENCE, || {
        jane(&["scale", "deployment/gate", "--replicas=1"])?;
        let warned = jane(&["scale", "deployment/gate", "--replicas=5"])?;
        Ok(warned.text.is_empty().then_some(()))
    })?;
    ensure!(jane(&["delete", "deployment/shop"])?.text.is_empty());
    stage
        .lab
        .must(&["delete", "namespace", "leaving", "--wait=false"], "")
        .map(drop)
}
