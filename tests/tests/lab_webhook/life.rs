//! From the image to the end of the installation.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use netdoctor_lab::HostName;
use netdoctor_lab::image::product::LARGEST;
use netdoctor_manifests::{Options, names, render};
use serde_json::{Value, json};

use crate::contains;
use crate::judged::{EDGE, Warned};
use crate::stage::{NAMESPACE, PATIENCE, REPLICAS, Stage};

/// What identifies an object of ours, for kubectl.
const OURS: &str = "-l=app.kubernetes.io/name=netdoctor";

/// The image is small, has the name that the manifests use, and runs as nobody in particular, by its own word: the Pod
/// only demands that it is not root.
pub(crate) fn image(stage: &Stage) -> Result<()> {
    let (lab, image) = (&stage.lab, &stage.product.image);
    ensure!(image.size <= LARGEST, "{} bytes", image.size);
    ensure!(image.name == Options::default().image, "{}", image.name);
    lab.must(
        &["delete", "pod", "--ignore-not-found", "--now", "nobody"],
        "",
    )?;
    lab.apply(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: nobody}}, spec: {{\
         terminationGracePeriodSeconds: 0, securityContext: {{runAsNonRoot: true}}, containers: [\
         {{name: server, image: '{0}'}}, \
         {{name: plugin, image: '{0}', command: [/kubectl-netdoctor, explain, SVC004]}}]}}}}",
        image.name
    ))?;
    let page = lab.wait("the plugin in the image", PATIENCE, || {
        let logs = lab.kubectl(&["logs", "nobody", "-c", "plugin"])?.stdout;
        Ok((!logs.is_empty()).then_some(logs))
    })?;
    contains(&page, "target-port-name-unresolved")?;
    let server = lab.wait("the server in the image", PATIENCE, || {
        let containers = lab.containers_of("default", "nobody")?;
        let server = containers
            .into_iter()
            .find(|one| one.name.as_deref() == Some("server"));
        Ok(server)
    })?;
    let status = format!("cat /proc/{}/status", server.pid);
    let status = lab.host(server.node).run(&status)?.stdout;
    for line in ["Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532"] {
        contains(&status, line)?;
    }
    lab.must(&["delete", "pod", "--now", "nobody"], "")
        .map(drop)
}

/// Nothing is asked before it is known to answer: server, auditor, one namespace, a live test, all namespaces.
pub(crate) fn install(stage: &Stage) -> Result<()> {
    stage.netdoctor_exits(0, &["webhook", "uninstall", "--yes"])?;
    let output = stage.install(&[])?;
    let place = |wanted: &str| {
        output
            .stdout
            .lines()
            .position(|line| line == wanted)
            .with_context(|| format!("`{wanted}` is not in\n{}", output.stdout))
    };
    let configuration =
        "validatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-validating";
    let server = place("deployment.apps/netdoctor-webhook created")?;
    let narrow = place(&format!("{configuration} created"))?;
    let wide = place(&format!("{configuration} configured"))?;
    ensure!(server < narrow && narrow < wide, "{}", output.stdout);
    contains(&output.stderr, "Answered: ")?;

    let status = stage.netdoctor_exits(0, &["webhook", "status", "--test", "-o", "json"])?;
    let status: Value = serde_json::from_str(&status.stdout)?;
    ensure!(status["status"]["verdict"] == "healthy", "{status:#}");
    let text = |about| line(&status, about);
    contains(&text("deployment"), "2/2 ready")?;
    contains(
        &text("reachability"),
        "reaches the webhook through its Service",
    )?;
    contains(&text("caches"), "every watched kind is in sync")?;
    contains(&text("test"), "was answered")?;
    let mut lines = status["lines"].as_array().into_iter().flatten();
    ensure!(lines.all(|line| line["state"] == "good"), "{status:#}");
    Ok(())
}

/// What a status says about something.
fn line(status: &Value, about: &str) -> String {
    let mut lines = status["lines"].as_array().into_iter().flatten();
    let line = lines.find(|line| line["about"] == about);
    line.and_then(|line| line["text"].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// Whoever installs again gets the same, and no Pod notices.
pub(crate) fn again(stage: &Stage) -> Result<()> {
    stage.installed()?;
    let versions = || {
        let path = "-o=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{'\\n'}{end}";
        let kinds =
            "deployments,services,networkpolicies,poddisruptionbudgets,configmaps,resourcequotas";
        stage.kubectl(&["get", kinds, OURS, path])
    };
    let (before, replicas) = (versions()?, stage.replicas()?);
    let output = stage.install(&[])?;
    for line in output.stdout.lines() {
        ensure!(
            line.ends_with(" unchanged") || line.ends_with(" kept"),
            "{line}"
        );
    }
    ensure!(versions()? == before);
    ensure!(stage.replicas()? == replicas);
    Ok(())
}

/// Two replicas on two nodes under the `restricted` standard, with a budget, a policy, and an auditor beside them.
pub(crate) fn runs(stage: &Stage) -> Result<()> {
    stage.installed()?;
    let namespace = stage.lab.get(&["namespace", NAMESPACE])?;
    let labels = &namespace["metadata"]["labels"];
    ensure!(
        labels["pod-security.kubernetes.io/enforce"] == "restricted",
        "{labels}"
    );
    let scope = format!("--namespace={NAMESPACE}");
    let pods = stage.lab.get(&["pods", &scope, REPLICAS])?;
    let nodes: BTreeSet<&str> = pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pod| pod["spec"]["nodeName"].as_str())
        .collect();
    ensure!(nodes.len() == 2, "{nodes:?}");
    ensure!(
        stage
            .replicas()?
            .iter()
            .all(|replica| replica.restarts == 0)
    );

    let budget = stage
        .lab
        .get(&["poddisruptionbudget", &scope, names::WEBHOOK])?;
    ensure!(
        budget["status"]["disruptionsAllowed"] == 1,
        "{}",
        budget["status"]
    );
    let policy = stage.lab.get(&["networkpolicy", &scope, names::WEBHOOK])?;
    ensure!(policy["spec"]["podSelector"]["matchLabels"].is_object());
    stage.kubectl(&[
        "rollout",
        "status",
        "deployment/netdoctor-auditor",
        "--timeout=60s",
    ])?;
    // What the quota, the standard or the scheduler refused would be here.
    let refused = stage.kubectl(&[
        "get",
        "events",
        "--field-selector=type=Warning,reason=FailedCreate",
        "-o=name",
    ])?;
    ensure!(refused.is_empty(), "{refused}");
    Ok(())
}

/// A configuration that cannot be used changes nothing, and `status` says what is wrong with it.
pub(crate) fn refused_configuration(stage: &Stage) -> Result<()> {
    stage.installed()?;
    stage.namespace("kept", "")?;
    let map = [
        "configmap",
        &format!("--namespace={NAMESPACE}"),
        names::CONFIG_MAP,
    ];
    let before = stage.lab.get(&map)?["data"][names::CONFIG_KEY].clone();
    let configure = |text: &Value| {
        let patch = json!({"data": {names::CONFIG_KEY: text}}).to_string();
        let patch = ["patch", "configmap", names::CONFIG_MAP, "-p", &patch];
        stage.kubectl(&patch)
    };
    let status = || {
        let status = stage.netdoctor_exits(0, &["webhook", "status", "-o", "json"])?;
        Ok::<Value, anyhow::Error>(serde_json::from_str(&status.stdout)?)
    };
    let settings = |wanted: &str| {
        stage.lab.wait(wanted, PATIENCE, || {
            let status = status()?;
            let said = line(&status, "settings").contains(wanted);
            Ok(said.then_some(status))
        })
    };
    // In a dry run, whose answer about one object is that of the real request.
    let edge = || {
        let apply = ["apply", "--as=jane", "--dry-run=server", "-f", "-"];
        stage
            .lab
            .kubectl_with_input(&apply, &EDGE.in_namespace("kept"))
    };
    configure(&json!("profile: guarded\n"))?;
    stage.lab.wait("a refusal", PATIENCE, || {
        Ok(edge()?
            .stderr
            .contains("denied the request: HST002")
            .then_some(()))
    })?;
    configure(&json!("profile: guarded\ngracePeriod: soon\n"))?;
    let wrong = settings("was refused and the last good one is in use: netdoctor.yaml: ")?;
    contains(&line(&wrong, "settings"), "line 2, column 14")?;
    // It looks at requests as before: nothing is broken.
    ensure!(wrong["status"]["verdict"] == "healthy", "{wrong:#}");
    contains(&edge()?.stderr, "denied the request: HST002")?;
    let people = stage.netdoctor_exits(0, &["webhook", "status"])?;
    says(&people.stdout, "line 2, column 14")?;

    configure(&before)?;
    settings("the configuration is in use")?;
    stage
        .lab
        .must(&["delete", "namespace", "kept", "--wait=false"], "")
        .map(drop)
}

/// A text for people, whose lines end somewhere, says something.
fn says(text: &str, wanted: &str) -> Result<()> {
    let words: Vec<&str> = text.split_whitespace().collect();
    contains(&words.join(" "), wanted)
}

/// Whatever is wrong, `status` ends with 1 and says what it is.
pub(crate) fn broken(stage: &Stage) -> Result<()> {
    stage.installed()?;
    let status =
        || Ok::<_, anyhow::Error>(stage.netdoctor_exits(1, &["webhook", "status"])?.stdout);

    // The Pods are there and Ready, and nothing listens where the Service leads.
    let elsewhere = r#"[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 10999}]"#;
    stage.kubectl(&[
        "patch",
        "service",
        names::WEBHOOK,
        "--type=json",
        "-p",
        elsewhere,
    ])?;
    let refused = stage.lab.wait("a status that says so", PATIENCE, || {
        let output = stage.netdoctor(&["webhook", "status"])?;
        Ok(output
            .stdout
            .contains("connection refused")
            .then_some(output))
    })?;
    ensure!(refused.code == 1, "{}", refused.stdout);
    says(&refused.stdout, "nothing listens on that port of the Pods")?;

    // Nobody is there.
    stage.end_all_replicas()?;
    says(&status()?, "no Pod of the Service is ready")?;

    // And nobody repairs what the API server is told to trust.
    let other = stage
        .lab
        .host(HostName::ControlPlane)
        .run("base64 -w0 /etc/kubernetes/pki/ca.crt")?;
    let patch = format!(
        "[{{\"op\": \"replace\", \"path\": \"/webhooks/0/clientConfig/caBundle\", \"value\": \"{}\"}}]",
        other.stdout.trim()
    );
    let patch = [
        "patch",
        "validatingwebhookconfiguration",
        names::VALIDATING,
        "--type=json",
        "-p",
        &patch,
    ];
    stage.lab.must(&patch, "")?;
    says(
        &status()?,
        "a configuration does not trust the authority that signs",
    )?;

    // One command brings all of it back.
    stage.install(&[])?;
    stage.lab.wait("a healthy status", PATIENCE, || {
        let output = stage.netdoctor(&["webhook", "status", "--test"])?;
        Ok(output.ok().then_some(()))
    })
}

/// The way out needs nobody who answers.
pub(crate) fn disable(stage: &Stage) -> Result<()> {
    stage.installed()?;
    stage.namespace("freed", "netdoctor.io/profile: strict")?;
    stage.end_all_replicas()?;
    let output = stage.netdoctor_exits(0, &["webhook", "disable", "--yes"])?;
    contains(&output.stdout, "netdoctor-validating deleted")?;
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    let left = stage.lab.must(&["get", kinds, OURS, "-o=name"], "")?;
    ensure!(left.stdout.is_empty(), "{}", left.stdout);
    let passed = stage.apply_as_jane(&EDGE.in_namespace("freed"))?;
    ensure!(
        passed.ok() && Warned::of(&passed).codes.is_empty(),
        "{passed:?}"
    );
    stage.lab.must(&["delete", "namespace", "freed"], "")?;
    let again = stage.netdoctor_exits(0, &["webhook", "disable", "--yes"])?;
    contains(&again.stderr, "Nothing to disable")
}

/// What sends requests goes first; then everything else goes, and nothing stays.
pub(crate) fn uninstall(stage: &Stage) -> Result<()> {
    stage.install(&["--with=mutate,label-guard"])?;
    let output = stage.netdoctor_exits(0, &["webhook", "uninstall", "--yes"])?;
    let gone: Vec<&str> = output.stdout.lines().collect();
    let place = |part: &str| {
        let found = gone.iter().position(|line| line.contains(part));
        found.with_context(|| format!("{part} is not in\n{}", output.stdout))
    };
    let order = [
        place("mutatingwebhookconfiguration")?,
        place("validatingwebhookconfiguration")?,
        place("deployment.apps/netdoctor-webhook")?,
        place("secret/netdoctor-webhook-ca")?,
        place("namespace/netdoctor-system")?,
    ];
    ensure!(
        order.is_sorted() && order[4] == gone.len() - 1,
        "{}",
        output.stdout
    );
    stage.lab.wait("the end of the namespace", PATIENCE, || {
        let output = stage
            .lab
            .kubectl(&["get", "namespace", NAMESPACE, "-o=name"])?;
        Ok(output.stderr.contains("NotFound").then_some(()))
    })?;
    let kinds: BTreeSet<String> = render(&Options::default())
        .iter()
        .filter_map(|object| Some(object["kind"].as_str()?.to_owned()))
        .chain(
            [
                "MutatingWebhookConfiguration",
                "ValidatingAdmissionPolicy",
                "Lease",
                "Secret",
            ]
            .map(str::to_owned),
        )
        .collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(",");
    let left = stage
        .lab
        .must(&["get", &kinds, "-A", OURS, "-o=name"], "")?;
    ensure!(left.stdout.is_empty(), "{}", left.stdout);
    let again = stage.netdoctor_exits(0, &["webhook", "uninstall", "--yes"])?;
    contains(&again.stderr, "Nothing to remove")
}
