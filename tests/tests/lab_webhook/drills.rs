//! Planned changes under load: nobody may notice them.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netdoctor_lab::HostName;
use netdoctor_manifests::names;
use serde_json::{Value, json};

use crate::inside::{Kind, Running, Share, Task};
use crate::say;
use crate::stage::{DEPLOYMENT, PATIENCE, Stage};

/// Calls per second, where the machine can do that many with everything else that a drill does.
const RATE: u32 = 500;
/// So many times.
const TIMES: usize = 10;
/// How often somebody looks who must not be a load himself.
const NOW_AND_THEN: Duration = Duration::from_millis(500);

/// What became of all calls of a load.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) sent: u64,
    pub(crate) unanswered: u64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
    /// Calls per second.
    pub(crate) rate: f64,
    /// The slowest call.
    pub(crate) slowest: Duration,
    text: String,
}

impl Account {
    fn of(results: &Value) -> Self {
        let mut account = Self::default();
        for result in results.as_array().into_iter().flatten() {
            let report = &result["report"];
            let number = |field: &str| report[field].as_u64().unwrap_or_default();
            account.sent += number("sent");
            account.unanswered += number("unanswered");
            account.retried += number("retried");
            account.rate += report["rate"].as_f64().unwrap_or_default();
            let failed = report["failed"].as_object().into_iter().flatten();
            account.failed += failed.filter_map(|(_, count)| count.as_u64()).sum::<u64>();
            let slowest = report["latency"]["max"].as_f64().unwrap_or_default() / 1_000.0;
            account.slowest = account.slowest.max(Duration::from_secs_f64(slowest));
            account.text += &format!("  {}\n", result["text"].as_str().unwrap_or_default());
        }
        account
    }
}

/// Every call succeeded, and the webhook spoke in each.
pub(crate) fn flawless(account: &Account) -> Result<()> {
    let calm = account.failed == 0 && account.unanswered == 0 && account.sent > 0;
    ensure!(calm, "some calls were not answered\n{}", account.text);
    Ok(())
}

/// Nobody was turned away, whether or not the webhook spoke.
pub(crate) fn none_failed(account: &Account) -> Result<()> {
    ensure!(
        account.failed == 0 && account.sent > 0,
        "some calls failed\n{}",
        account.text
    );
    Ok(())
}

/// Four in five calls try to create a Pod, and the fifth changes a Service.
pub(crate) fn shares(rate: u32, patience: Option<Duration>) -> Vec<Share> {
    let share = |rate, clients, kind| Share {
        rate: Some(rate),
        clients,
        kind,
        patience,
    };
    vec![
        share(rate - rate / 5, 40, Kind::Tried),
        share(rate / 5, 10, Kind::Stored),
    ]
}

/// The load of a drill: 500 calls per second, or half of what this machine can do.
pub(crate) fn load(stage: &Stage) -> Result<Vec<Share>> {
    Ok(shares(rate(stage)?, None))
}

/// Found out once, by asking as fast as possible for a moment.
pub(crate) fn rate(stage: &Stage) -> Result<u32> {
    if let Some(rate) = stage.rate.get() {
        return Ok(*rate);
    }
    stage.installed()?;
    let all_out = Share {
        rate: None,
        clients: 16,
        kind: Kind::Tried,
        patience: None,
    };
    let ((), account) = under(stage, "as fast as it goes", &[all_out], || {
        thread::sleep(Duration::from_secs(3));
        Ok(())
    })?;
    none_failed(&account)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand"
    )]
    let half = (account.rate / 2.0) as u32;
    Ok(*stage.rate.get_or_init(|| half.clamp(10, RATE)))
}

/// Does something while a load is on, and says what became of the calls.
pub(crate) fn under<T>(
    stage: &Stage,
    name: &str,
    shares: &[Share],
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Account)> {
    let load = Running::start(stage, &Task::Load(shares.to_vec()))?;
    let outcome = work();
    let account = Account::of(&load.finish()?);
    say(&format!(
        "{name}: {:.0} calls/s\n{}",
        account.rate,
        account.text.trim_end()
    ));
    Ok((outcome?, account))
}

/// Ten new authorities, each trusted before it signs.
pub(crate) fn rotations(stage: &Stage) -> Result<()> {
    stage.installed()?;
    hurry(stage)?;
    let load = load(stage)?;
    let mut seen = BTreeSet::from([stage.authority()?]);
    let (last, account) = under(stage, "ten rotations", &load, || {
        let mut last = String::new();
        for _ in 0..TIMES {
            stage.netdoctor_exits(0, &["webhook", "certs", "rotate", "--yes"])?;
            last = stage.lab.wait("a new authority", PATIENCE, || {
                thread::sleep(NOW_AND_THEN);
                let authority = stage.authority()?;
                let settled = stage.secret()?["data"]
                    .get(names::NEXT_CERTIFICATE_KEY)
                    .is_none();
                Ok((settled && seen.insert(authority.clone())).then_some(authority))
            })?;
        }
        serves(stage, &last)?;
        Ok(last)
    })?;
    flawless(&account)?;
    ensure!(
        seen.len() == TIMES + 1 && seen.contains(&last),
        "{}",
        seen.len()
    );
    // Nothing was lost on the way: whoever asks is told that all is well.
    stage
        .netdoctor_exits(0, &["webhook", "status", "--test"])
        .map(drop)
}

/// Makes replicas look often, an authority wait no longer than this one API server needs, and the kubelet notice at once
/// that a replica is ready: everything follows on everything else as fast as it can.
fn hurry(stage: &Stage) -> Result<()> {
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let container = json!({
        "name": "webhook",
        "env": [
            variable("NETDOCTOR_CERTIFICATE_POLL", "500ms"),
            variable("NETDOCTOR_PROPAGATION_TIME", "2s"),
        ],
        "readinessProbe": {"periodSeconds": 1},
    });
    let patch = json!({"spec": {"template": {"spec": {"containers": [container]}}}}).to_string();
    stage.kubectl(&["patch", DEPLOYMENT, "-p", &patch])?;
    stage.await_rollout()
}

/// Waits until every replica shows a certificate that this authority signed.
fn serves(stage: &Stage, authority: &str) -> Result<()> {
    let host = stage.lab.host(HostName::ControlPlane);
    host.write("/run/authority.pem", authority)?;
    for replica in stage.replicas()? {
        let show = format!(
            "openssl s_client -connect {}:10250 -CAfile /run/authority.pem -verify_return_error </dev/null",
            replica.address
        );
        stage
            .lab
            .wait("a certificate of the new authority", PATIENCE, || {
                thread::sleep(NOW_AND_THEN);
                Ok(host.try_run(&show)?.ok().then_some(()))
            })?;
    }
    Ok(())
}

/// Ten times both replicas are replaced, one after the other.
pub(crate) fn restarts(stage: &Stage) -> Result<()> {
    stage.installed()?;
    hurry(stage)?;
    let load = load(stage)?;
    let mut pods: BTreeSet<String> = BTreeSet::new();
    let mut note = |stage: &Stage| {
        let replicas = stage.replicas()?;
        pods.extend(replicas.into_iter().map(|replica| replica.pod));
        anyhow::Ok(())
    };
    note(stage)?;
    let ((), account) = under(stage, "ten rolling restarts", &load, || {
        for number in 1..=TIMES {
            // It stamps the template with the time, in seconds.
            stage.kubectl(&["rollout", "restart", DEPLOYMENT])?;
            stage
                .await_rollout()
                .with_context(|| format!("restart {number}"))?;
            note(stage)?;
        }
        Ok(())
    })?;
    flawless(&account)?;
    ensure!(pods.len() == 2 * (TIMES + 1), "{pods:?}");
    Ok(())
}
