//! Unplanned ends: of the API server, of both replicas, of the way between them.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use netdoctor_lab::HostName;
use serde_json::{Value, json};

use crate::contains;
use crate::drills::{flawless, load, none_failed, rate, shares, under};
use crate::inside::{self, Task};
use crate::judged::{SHOP, WEB};
use crate::stage::{PATIENCE, Stage};

/// `timeoutSeconds` of the configuration, and what a busy machine adds to it.
const WITHIN: Duration = Duration::from_millis(2_000 + 1_500);

/// The API server is killed and started again under load. What it means that no call fails: a call that finds nobody
/// waits until `/readyz` says yes, as behind a load balancer, and is sent again; every call that is answered holds the
/// webhook's warning. Meanwhile the webhook, which has lost its only source, answers from what it knows.
pub(crate) fn api_server(stage: &Stage) -> Result<()> {
    stage.installed()?;
    stage.namespace("kept", "")?;
    stage.lab.apply(&SHOP.in_namespace("kept"))?;
    let (before, authority) = (stage.replicas()?, stage.authority()?);
    let review = review(&serde_saphyr::from_str(&WEB.in_namespace("kept"))?);
    let patient = shares(rate(stage)?, Some(PATIENCE));
    let ((), account) = under(stage, "the API server restarts", &patient, || {
        thread::sleep(Duration::from_secs(2));
        let host = stage.lab.host(HostName::ControlPlane);
        host.stop("kube-apiserver")?;
        for replica in &before {
            let ready = format!("busybox wget -qO- http://{}:8081/readyz", replica.address);
            contains(&host.run(&ready)?.stdout, "ok")?;
            let answer = inside::ask(
                stage,
                &Task::Review {
                    address: replica.address.clone(),
                    authority: authority.clone(),
                    review: review.clone(),
                },
            )?;
            ensure!(answer["response"]["allowed"] == true, "{answer:#}");
            contains(&answer["response"]["warnings"].to_string(), "SVC004")?;
        }
        stage.lab.restart_api_server()?;
        thread::sleep(Duration::from_secs(3));
        Ok(())
    })?;
    flawless(&account)?;
    ensure!(
        account.retried > 0,
        "nobody noticed that the API server was away"
    );
    ensure!(
        stage.replicas()? == before,
        "a replica was restarted, or is not Ready"
    );
    stage
        .lab
        .must(&["delete", "namespace", "kept", "--wait=false"], "")
        .map(drop)
}

fn review(object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Service"},
            "resource": {"group": "", "version": "v1", "resource": "services"},
            "name": object["metadata"]["name"],
            "namespace": object["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": "jane"},
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": null,
        },
    })
}

/// Both processes get SIGKILL at once. Until the kubelet has started them again, calls pass unjudged, and none of them
/// takes longer than the timeout of the configuration.
pub(crate) fn killed(stage: &Stage) -> Result<()> {
    stage.installed()?;
    let before = stage.replicas()?;
    let ((), account) = under(stage, "both replicas are killed", &load(stage)?, || {
        thread::sleep(Duration::from_secs(1));
        for replica in &before {
            let containers = stage
                .lab
                .containers_of(crate::stage::NAMESPACE, &replica.pod)?;
            for container in containers {
                let host = stage.lab.host(container.node);
                host.run(&format!("kill -KILL {}", container.pid))?;
            }
        }
        stage.lab.wait("both replicas again", PATIENCE, || {
            thread::sleep(Duration::from_millis(500));
            let replicas = stage.replicas()?;
            let back = |replica: &crate::stage::Replica| {
                let was = before.iter().find(|was| was.pod == replica.pod);
                was.is_some_and(|was| replica.restarts > was.restarts)
            };
            Ok((replicas.len() == 2 && replicas.iter().all(back)).then_some(()))
        })
    })?;
    none_failed(&account)?;
    ensure!(account.unanswered > 0, "nobody was away");
    ensure!(
        account.slowest < WITHIN,
        "a call took {:?}",
        account.slowest
    );
    recovered(stage)
}

/// Packets to both replicas vanish, as behind a firewall: every call waits for the timeout of the configuration, and
/// passes.
pub(crate) fn dropped(stage: &Stage) -> Result<()> {
    stage.installed()?;
    let before = stage.replicas()?;
    // Each call takes two seconds, and so there are many at once.
    let ((), account) = under(stage, "packets are dropped", &shares(20, None), || {
        for (rule, lasts) in [("-I", 6), ("-D", 2)] {
            for replica in &before {
                let rule = format!(
                    "iptables {rule} FORWARD -d {} -p tcp --dport 10250 -j DROP",
                    replica.address
                );
                stage
                    .lab
                    .nodes()
                    .try_for_each(|node| stage.lab.host(node).run(&rule).map(drop))?;
            }
            thread::sleep(Duration::from_secs(lasts));
        }
        Ok(())
    })?;
    none_failed(&account)?;
    ensure!(account.unanswered > 0, "no packet was dropped");
    let (least, most) = (Duration::from_millis(1_900), WITHIN);
    ensure!(
        (least..most).contains(&account.slowest),
        "the slowest call took {:?}",
        account.slowest
    );
    ensure!(stage.replicas()? == before);
    recovered(stage)
}

/// As if nothing had been.
fn recovered(stage: &Stage) -> Result<()> {
    let ((), account) = under(stage, "afterwards", &load(stage)?, || {
        thread::sleep(Duration::from_secs(3));
        Ok(())
    })?;
    flawless(&account)
}
