//! `cargo xtask test`: everything that has to hold before a change goes in.
//!
//! The cheap steps come first, so that a slip in the format is known after a second and not after twenty minutes. The last
//! line printed is always `N passed, N failed`, whatever happened before it.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use netdoctor_lab::components;
use netdoctor_lab::image::product::TRIAL;
use serde_json::Value;

use crate::tools;

/// Pinned, so that a new release of it does not fail changes that have nothing to do with it.
const CARGO_DENY_VERSION: &str = "0.20.2";
/// As above.
const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// Tests passed and failed, over all test binaries.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Tally {
    passed: u64,
    failed: u64,
}

pub(crate) fn run() -> ExitCode {
    let mut tally = Tally::default();
    if let Err(error) = steps(&mut tally) {
        println!("error: {error:#}");
        // A step that broke before it could count anything is a failure all the same.
        tally.failed = tally.failed.max(1);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn steps(tally: &mut Tally) -> Result<()> {
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("lints", || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    step("build", || {
        cargo(&["build", "--workspace", "--all-targets"])
    })?;
    step("licences and bans", deny)?;
    step("test lab", lab)?;
    let suites = suites()?;
    let image = BackgroundImage::begin()?;
    step("tests", || {
        let named = suites.other.iter().flat_map(|name| ["--test", name]);
        let rest = ["--lib", "--bins"].into_iter().chain(named);
        tests(tally, &rest.collect::<Vec<_>>())?;
        tests(tally, &["--doc"])
    })?;
    step("image", || image.end())?;
    step("lab", || {
        let named = suites.lab.iter().flat_map(|name| ["--test", name]);
        tests(tally, &named.collect::<Vec<_>>())
    })?;
    step("fuzzing", fuzz)
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let start = Instant::now();
    work().with_context(|| name.to_owned())?;
    println!("== {name}: done in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Packages and the Kubernetes components. Somebody who has neither Go nor root can still run everything else: the tests
/// that need them then say so and pass. CI can not.
fn lab() -> Result<()> {
    let packages = tools::install_packages(|text| println!("{text}"));
    let components = components::install(|text| println!("{text}")).map(|components| {
        println!(
            "Kubernetes {} in {}",
            components::KUBERNETES_VERSION,
            components.folder().display()
        );
    });
    // Without packages there may still be an etcd, so the components are built in any case.
    for outcome in [packages, components] {
        match outcome {
            Err(error) if in_ci() => return Err(error),
            Err(error) if env::var_os("NETDOCTOR_TEST_KUBECONFIG").is_some() => {
                println!("using the cluster of NETDOCTOR_TEST_KUBECONFIG ({error:#})");
            }
            Err(error) => println!("tests that need this will be skipped: {error:#}"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Installs `cargo deny` in CI, where it takes two minutes, and runs it where it is. Advisories need the network of the
/// public workflow, which runs them.
fn deny() -> Result<()> {
    if !tools::on_path("cargo-deny") {
        if !in_ci() {
            println!("cargo-deny is not installed: skipped");
            return Ok(());
        }
        // Not optimised: it builds in half the time and runs for two seconds.
        let package = ["cargo-deny", "--version", CARGO_DENY_VERSION];
        cargo(&[&["install", "--quiet", "--locked", "--debug"][..], &package].concat())?;
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}

/// The image that the lab runs takes minutes to compile, and most tests of an API server wait: it gets what they leave.
struct BackgroundImage(Child);

impl BackgroundImage {
    fn begin() -> Result<Self> {
        Command::new("nice")
            .args(["-n", "19"])
            .arg(built("xtask")?)
            .args(["image", "--profile", TRIAL])
            .current_dir(netdoctor_lab::repository())
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
            .context("starting to build the image")
    }

    /// Where it cannot be built the lab says what it lacks; CI is told here.
    fn end(mut self) -> Result<()> {
        let status = self.0.wait().context("waiting for the image")?;
        ensure!(
            status.success() || !in_ci(),
            "the image could not be built ({status})"
        );
        Ok(())
    }
}

impl Drop for BackgroundImage {
    fn drop(&mut self) {
        // Nothing to do for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds for each fuzz target: long enough to find what a change has just broken.
const FUZZ_SECONDS: u32 = 20;

/// A short run of every fuzz target. They need the nightly toolchain; the same entry functions also run as property tests
/// on stable.
fn fuzz() -> Result<()> {
    let nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .output();
    if !nightly.is_ok_and(|output| output.status.success()) {
        println!(
            "no nightly toolchain: the fuzz targets are skipped, their entry functions ran as property tests"
        );
        return Ok(());
    }
    if !tools::on_path("cargo-fuzz") {
        if !in_ci() {
            println!("cargo-fuzz is not installed: skipped");
            return Ok(());
        }
        cargo(&[
            "install",
            "--quiet",
            "--locked",
            "--debug",
            "cargo-fuzz",
            "--version",
            CARGO_FUZZ_VERSION,
        ])?;
    }
    fuzz_target("manifest", &[], 4096)?;
    fuzz_target("objects", &[], 4096)?;
    // Reviews as an API server sent them are where the search begins.
    fuzz_target("admission", &["tests/fixtures/admission"], 16_384)
}

/// Runs one target. What it finds out goes into its own corpus, and nothing into the folders of seeds.
fn fuzz_target(target: &str, seeds: &[&str], longest: u32) -> Result<()> {
    let corpus = format!("tests/fuzz/corpus/{target}");
    let root = netdoctor_lab::repository();
    std::fs::create_dir_all(root.join(&corpus)).with_context(|| format!("making {corpus}"))?;
    let status = Command::new("rustup")
        .args(["run", "nightly", "cargo", "fuzz", "run"])
        .args(["--fuzz-dir", "tests/fuzz", target, &corpus])
        .args(seeds)
        .arg("--")
        .arg(format!("-max_total_time={FUZZ_SECONDS}"))
        .arg(format!("-max_len={longest}"))
        .args(["-seed=20260101", "-verbosity=0"])
        .current_dir(root)
        .status()
        .context("running cargo fuzz")?;
    ensure!(
        status.success(),
        "the fuzz target {target} failed ({status})"
    );
    Ok(())
}

fn in_ci() -> bool {
    env::var_os("CI").is_some()
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let status = command(arguments).status().context("running cargo")?;
    ensure!(
        status.success(),
        "cargo {} failed ({status})",
        arguments.join(" ")
    );
    Ok(())
}

/// The integration tests of the workspace.
#[derive(Debug, PartialEq, Eq)]
struct Suites {
    /// Those that run a whole cluster and measure what it does. They come last and have the machine for themselves.
    lab: Vec<String>,
    other: Vec<String>,
}

fn suites() -> Result<Suites> {
    let output = command(&["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("running cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata = serde_json::from_slice(&output.stdout).context("reading cargo's metadata")?;
    let suites = sorted(&metadata);
    ensure!(!suites.lab.is_empty(), "there are no tests of the lab");
    Ok(suites)
}

fn sorted(metadata: &Value) -> Suites {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&metadata["packages"])
        .into_iter()
        .flat_map(|package| list(&package["targets"]));
    let (lab, other) = targets
        .filter(|target| list(&target["kind"]).contains(&Value::from("test")))
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .partition(|name| name == "lab" || name.starts_with("lab_"));
    Suites { lab, other }
}

/// Runs tests, passing on what cargo prints, and counts. All of the workspace is selected in any case: features of the
/// dependencies would differ otherwise, and everything would be built again.
fn tests(tally: &mut Tally, targets: &[&str]) -> Result<()> {
    let binary = built("kubectl-netdoctor")?;
    let mut tests = command(&["test", "--workspace", "--no-fail-fast"]);
    tests.args(targets);
    if in_ci() {
        // A change is judged by what it does, not by the luck of the draw; everybody else explores.
        tests.env("PROPTEST_RNG_SEED", "20260101");
    }
    let mut child = tests
        .env("NETDOCTOR_BIN", binary)
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo test")?;
    let output = child
        .stdout
        .take()
        .context("reading the output of cargo test")?;
    let mut ran = 0;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading the output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(result) = result_line(&line) {
            tally.passed += result.passed;
            tally.failed += result.failed;
            ran += 1;
        }
    }
    let status = child.wait().context("waiting for cargo test")?;
    ensure!(status.success(), "cargo test failed ({status})");
    ensure!(ran > 0, "no test ran");
    Ok(())
}

/// Reads libtest's `test result: ok. 12 passed; 0 failed; 0 ignored; ...`.
fn result_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        counts
            .split(';')
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
    })
}

/// A program of ours. This one was built by the same cargo into the same folder, wherever that is; by now it may have been
/// replaced there, so that the system does not know its name any more.
fn built(name: &str) -> Result<PathBuf> {
    let this = env::current_exe().context("finding the build folder")?;
    Ok(this.with_file_name(name))
}

fn command(arguments: &[&str]) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(arguments)
        .current_dir(netdoctor_lab::repository());
    command
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lab_has_suites_of_its_own() {
        let target = |kind: &str, name: &str| json!({"kind": [kind], "name": name});
        let metadata = json!({"packages": [
            {"targets": [target("lib", "lab"), target("test", "labels"), target("test", "lint")]},
            {"targets": [target("test", "lab"), target("test", "lab_life"), target("bench", "lab_bench")]},
        ]});
        assert_eq!(
            sorted(&metadata),
            Suites {
                lab: vec!["lab".to_owned(), "lab_life".to_owned()],
                other: vec!["labels".to_owned(), "lint".to_owned()],
            }
        );
    }

    #[test]
    fn reads_the_result_lines_of_libtest() {
        let passed = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(
            result_line(passed),
            Some(Tally {
                passed: 12,
                failed: 0
            })
        );

        let failed = "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";
        assert_eq!(
            result_line(failed),
            Some(Tally {
                passed: 7,
                failed: 2
            })
        );

        assert_eq!(result_line("test policy::verdict ... ok"), None);
        assert_eq!(result_line("running 12 tests"), None);
    }
}
