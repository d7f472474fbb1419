//! The targets of the webhook: memory and start beside an API server that is a fake, time beside a real one, and judging
//! by itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Builds everything first, so that nothing is measured while something is built.
pub(super) fn run(release: &Path) -> Result<()> {
    super::build(&[
        "build",
        "--release",
        "--workspace",
        "--bin",
        "netdoctor-webhook",
        "--bin",
        "kubectl-netdoctor",
        "--example",
        "resident",
        "--example",
        "behind_api_server",
    ])?;
    super::build(&[
        "bench",
        "--workspace",
        "--bench",
        "evaluate",
        "--bench",
        "rebuild",
        "--no-run",
    ])?;
    let examples = release.join("examples");
    println!("memory and start:");
    show(&mut Command::new(examples.join("resident")))?;
    println!("behind a real API server:");
    // The webhook that lies beside it is the one that is measured.
    let plugin = release.join("kubectl-netdoctor");
    show(Command::new(examples.join("behind_api_server")).env("NETDOCTOR_BIN", plugin))?;
    println!("judging:");
    super::build(&[
        "bench",
        "--workspace",
        "--bench",
        "evaluate",
        "--bench",
        "rebuild",
    ])
}

/// Runs something that prints its own figures.
fn show(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command
        .status()
        .with_context(|| format!("running {program}"))?;
    ensure!(status.success(), "{program} failed ({status})");
    Ok(())
}
