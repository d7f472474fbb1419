//! `shell`, `kubectl`, `netdoctor` and `logs`: programs that take the place of this one, so that terminal, signals and
//! exit code are theirs.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use netdoctor_lab::{Host, HostName, Lab, requirements};

use super::{choice, print};

/// What of the environment goes in: how the person who types likes to edit and to see things.
const TASTE: [&str; 8] = [
    "CLICOLOR_FORCE",
    "COLUMNS",
    "EDITOR",
    "KUBE_EDITOR",
    "LINES",
    "NO_COLOR",
    "PAGER",
    "VISUAL",
];

pub(super) fn shell(lab: &Lab, host: HostName, command: &[String]) -> Result<()> {
    let host = host_of(lab, host)?;
    let mut shell = match command {
        [program, arguments @ ..] => {
            let mut command = host.command(program);
            command.args(arguments);
            command
        }
        [] if requirements::program("bash").is_some() => {
            let mut bash = host.command("bash");
            // The files of the person's own shell are about another machine.
            bash.args(["--noprofile", "--norc"]);
            bash
        }
        [] => host.command("sh"),
    };
    shell.env("PS1", format!("{} \\w # ", host.name()));
    replace(shell)
}

pub(super) fn kubectl(lab: &Lab, arguments: &[String]) -> Result<()> {
    let mut command = from_here(lab, "kubectl")?;
    command.args(arguments);
    replace(command)
}

pub(super) fn netdoctor(lab: &Lab, arguments: &[String]) -> Result<()> {
    let mut command = from_here(lab, &plugin()?.to_string_lossy())?;
    command.args(arguments);
    replace(command)
}

/// A command on the control plane that starts in the current folder, so that `-f web.yaml` means what it says.
fn from_here(lab: &Lab, program: &str) -> Result<Command> {
    let here = env::current_dir().context("finding the current folder")?;
    let mut command = lab.host(HostName::ControlPlane).command("sh");
    command
        // A folder that the host does not have (below /run, say) has no files for it either.
        .args(["-c", "cd \"$1\" 2>/dev/null; shift; exec \"$@\"", "lab"])
        .arg(here)
        .arg(program);
    Ok(command)
}

/// Our plugin as it is in the checkout, or `NETDOCTOR_BIN`.
fn plugin() -> Result<PathBuf> {
    if let Some(binary) = env::var_os("NETDOCTOR_BIN") {
        return Ok(binary.into());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "kubectl-netdoctor"])
        .current_dir(netdoctor_lab::repository())
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "the plugin could not be built");
    // This program was built by the same cargo into the same folder.
    let this = env::current_exe().context("finding the build folder")?;
    Ok(this.with_file_name("kubectl-netdoctor"))
}

/// Shows a log, also of a lab that has died.
pub(super) fn logs(
    name: Option<&str>,
    host: Option<HostName>,
    component: Option<&str>,
    follow: bool,
) -> Result<()> {
    let lab = choice::any(name)?;
    let folder = lab
        .logs
        .with_context(|| format!("the lab `{}` has died before it had logs", lab.name))?;
    let listed = list(&folder, host)?;
    if let Some(host) = host {
        ensure!(
            !listed.is_empty(),
            "there are no logs of {host} in the lab `{}`",
            lab.name
        );
    }
    let (Some(host), Some(component)) = (host, component) else {
        return print(&listed);
    };
    let file = folder.join(format!("{host}-{component}.log"));
    ensure!(
        file.is_file(),
        "there is no log of {component} on {host}; there are\n{}",
        listed.trim_end()
    );
    let mut tail = Command::new("tail");
    tail.args(["-n", "+1"]);
    if follow {
        tail.arg("-F");
    }
    tail.arg(file);
    replace(tail)
}

/// The logs of a host, or of all.
fn list(folder: &Path, host: Option<HostName>) -> Result<String> {
    let context = || format!("reading {}", folder.display());
    let prefix = host.map_or_else(String::new, |host| format!("{host}-"));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) && path.extension().is_some_and(|kind| kind == "log") {
            files.push(format!("{}\n", path.display()));
        }
    }
    files.sort();
    Ok(files.concat())
}

/// The host, if the lab has it.
fn host_of(lab: &Lab, name: HostName) -> Result<Host<'_>> {
    ensure!(
        lab.hosts().any(|host| host == name),
        "the lab `{}` has no {name}; its hosts are {}",
        lab.spec().name,
        lab.hosts()
            .map(|host| host.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(lab.host(name))
}

/// Becomes that program.
fn replace(mut command: Command) -> Result<()> {
    for name in TASTE {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    let error = command.exec();
    Err(anyhow!(error).context(format!("running {}", command.get_program().display())))
}
