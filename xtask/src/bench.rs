//! `cargo xtask bench`: the performance targets, measured on release builds and printed as a table.
//!
//! Each figure is a whole process: what a user waits for and what the machine has to hold.
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

mod webhook;

const OBJECTS: usize = 50_000;
const OBJECTS_PER_FILE: usize = 10;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Whose targets. Unless stated: those of all
    #[arg(value_enum)]
    only: Option<Subject>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    Plugin,
    Webhook,
}

/// Builds, measures, prints.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    let release = netdoctor_lab::repository().join("target/release");
    let release = std::env::var_os("CARGO_TARGET_DIR")
        .map_or(release, |dir| PathBuf::from(dir).join("release"));
    let wanted = |subject| arguments.only.is_none_or(|only| only == subject);
    if wanted(Subject::Plugin) {
        plugin(&release)?;
    }
    if wanted(Subject::Webhook) {
        webhook::run(&release)?;
    }
    Ok(())
}

fn plugin(release: &Path) -> Result<()> {
    build(&["build", "--release", "--package", "kubectl-netdoctor"])?;
    build(&[
        "build",
        "--release",
        "--package",
        "netdoctor-engine",
        "--example",
        "big_cluster",
    ])?;
    let plugin = release.join("kubectl-netdoctor");
    println!(
        "binary size: {:.1} MiB",
        fs::metadata(&plugin)?.len() as f64 / 1_048_576.0
    );
    start_times(&plugin)?;
    lint(&plugin)?;
    clusters(&release.join("examples/big_cluster"))
}

fn build(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments)
        .current_dir(netdoctor_lab::repository())
        .status()?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

fn start_times(plugin: &Path) -> Result<()> {
    for arguments in [&["--help"][..], &["explain", "SVC004"], &["demo"]] {
        let mut times: Vec<Duration> = (0..20)
            .map(|_| Ok(measure(plugin, arguments)?.time))
            .collect::<Result<_>>()?;
        times.sort_unstable();
        println!(
            "{:<16} median {:.1} ms",
            arguments.join(" "),
            times[times.len() / 2].as_secs_f64() * 1000.0
        );
    }
    Ok(())
}

fn lint(plugin: &Path) -> Result<()> {
    for (label, files) in [("many files", OBJECTS / OBJECTS_PER_FILE), ("one file", 1)] {
        let folder = tempfile::tempdir()?;
        corpus(folder.path(), files)?;
        let path = folder.path().display().to_string();
        let mut best: Option<Measured> = None;
        for _ in 0..5 {
            let run = measure(
                plugin,
                &[
                    "lint",
                    "-R",
                    "-f",
                    &path,
                    "-o",
                    "short",
                    "--fail-on",
                    "never",
                ],
            )?;
            if best.as_ref().is_none_or(|best| run.time < best.time) {
                best = Some(run);
            }
        }
        let best = best.context("nothing was measured")?;
        println!(
            "lint, {OBJECTS} objects in {label}: {:.2} s, {:.0} objects/s, {:.0} MiB at most",
            best.time.as_secs_f64(),
            OBJECTS as f64 / best.time.as_secs_f64(),
            best.peak_mib
        );
    }
    Ok(())
}

fn clusters(example: &Path) -> Result<()> {
    let mut last: Option<f64> = None;
    for pods in [37_500, 75_000, 150_000] {
        let output = Command::new(example).arg(pods.to_string()).output()?;
        ensure!(output.status.success(), "{} failed", example.display());
        let row: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let number = |key: &str| row[key].as_f64().unwrap_or_default();
        let engine = number("indexSeconds") + number("rulesSeconds");
        let ratio = last
            .map(|last| format!(", ×{:.2} for twice the pods", engine / last))
            .unwrap_or_default();
        println!(
            "cluster, {pods} pods: decode {:.2} s, index {:.2} s, rules {:.2} s (engine {engine:.2} s{ratio}), {:.0} MiB at most",
            number("decodeSeconds"),
            number("indexSeconds"),
            number("rulesSeconds"),
            number("peakMiB")
        );
        last = Some(engine);
    }
    Ok(())
}

struct Measured {
    time: Duration,
    peak_mib: f64,
}

/// Runs a process to its end, sampling the highest resident size that the kernel has seen.
fn measure(program: &Path, arguments: &[&str]) -> Result<Measured> {
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("running {}", program.display()))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_mib: f64 = 0.0;
    loop {
        if let Ok(text) = fs::read_to_string(&status_file) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
            peak_mib = peak_mib.max(kib.unwrap_or(0.0) / 1024.0);
        }
        if let Some(status) = child.try_wait()? {
            let time = started.elapsed();
            ensure!(
                status.code().is_some_and(|code| code <= 1),
                "{} ended with {status}",
                program.display()
            );
            return Ok(Measured { time, peak_mib });
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Objects as people write them: a Deployment, its Service and Ingress, a `ConfigMap`, a policy, an autoscaler.
fn corpus(folder: &Path, files: usize) -> Result<()> {
    let per_file = OBJECTS / files;
    for file in 0..files {
        let mut text = String::new();
        for object in 0..per_file {
            let number = file * per_file + object;
            let (app, kind) = (number / 5, number % 5);
            text.push_str("---\n");
            text.push_str(&object_text(app, kind));
        }
        fs::write(folder.join(format!("app-{file}.yaml")), text)?;
    }
    Ok(())
}

fn object_text(app: usize, kind: usize) -> String {
    let namespace = app / 50;
    let head = |api: &str, kind: &str| {
        format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: app-{app}\n  namespace: team-{namespace}\n  labels:\n    app.kubernetes.io/name: app-{app}\n    app.kubernetes.io/part-of: shop\n"
        )
    };
    match kind {
        0 => format!(
            "{}spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: app-{app}\n  template:\n    metadata:\n      labels:\n        app: app-{app}\n    spec:\n      containers:\n        - name: app\n          image: registry.example.test/app:{app}\n          args:\n            - --listen=:8080\n          ports:\n            - name: http\n              containerPort: 8080\n          env:\n            - name: LOG_LEVEL\n              value: info\n          readinessProbe:\n            httpGet:\n              path: /healthz\n              port: http\n          resources:\n            requests:\n              cpu: 100m\n              memory: 64Mi\n",
            head("apps/v1", "Deployment")
        ),
        1 => format!(
            "{}spec:\n  selector:\n    app: app-{app}\n  ports:\n    - name: http\n      port: 80\n      targetPort: http\n",
            head("v1", "Service")
        ),
        2 => format!(
            "{}spec:\n  ingressClassName: nginx\n  rules:\n    - host: app-{app}.example.test\n      http:\n        paths:\n          - path: /\n            pathType: Prefix\n            backend:\n              service:\n                name: app-{app}\n                port:\n                  name: http\n",
            head("networking.k8s.io/v1", "Ingress")
        ),
        3 => format!(
            "{}data:\n  app.conf: |\n    listen 8080\n    upstream db.team-{namespace}.svc:5432\n    timeout 30s\n  feature.flags: \"a,b,c\"\n",
            head("v1", "ConfigMap")
        ),
        _ => format!(
            "{}spec:\n  podSelector:\n    matchLabels:\n      app: app-{app}\n  policyTypes:\n    - Ingress\n  ingress:\n    - from:\n        - namespaceSelector: {{}}\n      ports:\n        - protocol: TCP\n          port: 8080\n",
            head("networking.k8s.io/v1", "NetworkPolicy")
        ),
    }
}
