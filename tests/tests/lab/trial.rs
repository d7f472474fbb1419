//! The trial of one fault.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netdoctor_lab::Lab;
use netdoctor_lab::fault::{Fault, Headline, Verdict};
use netdoctor_lab::witness::{Expected, Measured, Witness};
use netdoctor_tests::cmd;

/// How long a change may take to reach every node.
const PATIENCE: Duration = Duration::from_secs(20);

/// Injects the fault, looks at what the witness and `check` see, heals it, and looks again.
pub(crate) fn fault(lab: &Lab, fault: &Fault) -> Result<()> {
    let mut watch = Watch::start();
    let witness = Witness::deploy(lab)?;
    let broken = lab.fault(&fault.id())?;
    watch.lap("inject");
    let seen = look(lab, &witness, fault, &mut watch);
    if fault.labs.own {
        return seen;
    }
    // Healed in any case, but what was seen is what the trial is about.
    let healed = broken.heal().and_then(|()| {
        if fault.fresh_services {
            witness.remove_fresh_services()?;
        }
        watch.lap("heal");
        lab.settle()
    });
    seen?;
    healed?;
    watch.lap("settle");
    let measured = witness.expect_healthy(PATIENCE)?;
    watch.lap(&format!("{} healthy tables", measured.tries));
    described("healed", None, &measured)?;
    watch.note(lab, fault)
}

/// What the file says is to be seen while the fault is in.
fn look(lab: &Lab, witness: &Witness<'_>, fault: &Fault, watch: &mut Watch) -> Result<()> {
    let fresh;
    let witness = if fault.fresh_services {
        fresh = witness.with_fresh_services()?;
        &fresh
    } else {
        witness
    };
    let measured = witness.expect(&fault.table, PATIENCE)?;
    watch.lap(&format!("{} tables", measured.tries));
    store(lab, fault, &measured)?;
    described("broken", Some(&fault.table), &measured)?;
    scenario(lab, witness, fault)?;
    watch.lap("probes");
    verdict(lab, &fault.check)?;
    watch.lap("check");
    Ok(())
}

/// Where the time of a trial goes: the whole suite has a quarter of an hour.
struct Watch {
    start: Instant,
    last: Instant,
    laps: String,
}

impl Watch {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            last: Instant::now(),
            laps: String::new(),
        }
    }

    /// Notes the seconds since the last lap.
    fn lap(&mut self, what: &str) {
        self.laps += &format!("  {what} {:.1}", self.last.elapsed().as_secs_f32());
        self.last = Instant::now();
    }

    /// Beside the folders of the labs: those go when all is well, and times are of interest then.
    fn note(self, lab: &Lab, fault: &Fault) -> Result<()> {
        let path = lab.logs().with_file_name("trials.log");
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("writing {}", path.display()))?;
        let total = self.start.elapsed().as_secs_f32();
        writeln!(file, "{total:5.1} {}{}", fault.id(), self.laps)
            .context("writing the times of a trial")
    }
}

/// Keeps the table with the logs, as data.
fn store(lab: &Lab, fault: &Fault, measured: &Measured) -> Result<()> {
    let file = lab
        .logs()
        .join(format!("{}.json", fault.id().replace('/', "-")));
    fs::write(&file, measured.tables.v4.to_json()?)
        .with_context(|| format!("writing {}", file.display()))
}

/// Fails with both tables unless everything is as expected.
pub(crate) fn described(
    state: &str,
    expected: Option<&Expected>,
    measured: &Measured,
) -> Result<()> {
    if measured.differences.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "the {state} cluster is not as expected after {} tries:\n",
        measured.tries
    );
    for difference in &measured.differences {
        text += &format!("  {difference}\n");
    }
    if let Some(expected) = expected {
        text += &format!("expected\n{expected}");
    }
    text += &format!("measured\n{}", measured.tables.v4);
    if let Some(v6) = &measured.tables.v6 {
        text += &format!("measured over IPv6\n{v6}");
    }
    bail!(text)
}

fn scenario(lab: &Lab, witness: &Witness<'_>, fault: &Fault) -> Result<()> {
    if fault.probes.is_empty() {
        return Ok(());
    }
    patiently(|| {
        let outcomes = lab.scenario(witness, fault)?;
        let wrong: Vec<String> = outcomes
            .iter()
            .filter(|outcome| !outcome.holds())
            .map(|outcome| format!("\n  {outcome}"))
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        bail!("the probes of the scenario:{}", wrong.concat())
    })
}

/// A state that explains nothing must not begin to, only because it has lasted.
const LASTED: &str = "10 minutes";

/// Runs `check -A` inside of the lab and judges its report. Where no cause is to be claimed, none may be later either.
pub(crate) fn verdict(lab: &Lab, verdict: &Verdict) -> Result<()> {
    judged(lab, verdict, verdict.later.as_deref())?;
    if matches!(verdict.headline, Headline::None(_)) && verdict.later.is_none() {
        judged(lab, verdict, Some(LASTED)).with_context(|| format!("{LASTED} later"))?;
    }
    Ok(())
}

fn judged(lab: &Lab, verdict: &Verdict, later: Option<&str>) -> Result<()> {
    let now = later.map(later_than_now).transpose()?;
    let mut arguments = vec!["check", "-A", "-o", "json"];
    arguments.extend(now.iter().flat_map(|now| ["--now", now.as_str()]));
    arguments.extend(verdict.logs.then_some("--logs"));
    patiently(|| {
        let output = lab.netdoctor(cmd::plugin(), &arguments)?;
        verdict
            .judge(&output.stdout)
            .with_context(|| format!("check ended with {}: {}", output.code, output.stderr.trim()))
    })
}

fn later_than_now(later: &str) -> Result<String> {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", later, "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .context("running date")?;
    let text = String::from_utf8(output.stdout).context("reading what date says")?;
    Ok(text.trim().to_owned())
}

/// Repeats it until it succeeds or time is up.
fn patiently(mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(500)),
            outcome => return outcome,
        }
    }
}
