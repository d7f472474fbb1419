//! One host of a lab, and what is done on it.

mod component;
mod container;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

pub use container::Container;

use crate::lab::Lab;
use crate::spec::HostName;

/// Where a host finds the components; see `templates/host.sh`.
pub(crate) const PROGRAMS: &str = "/run/netdoctor-lab/bin";
/// Where a host writes its logs; see `templates/host.sh`.
pub(crate) const LOGS: &str = "/run/netdoctor-lab/logs";
/// The kubeconfig of an administrator, on the control plane.
pub(crate) const KUBECONFIG: &str = "/etc/kubernetes/admin.conf";

/// After this time a script is ended. Nothing in a lab takes a tenth of it, unless it hangs.
const PATIENCE_SECONDS: &str = "300";

/// So many characters of what a command wrote go to the log.
const LOGGED: usize = 4000;

/// Names and values.
pub(crate) type Variables = [(String, String)];

/// What a finished command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the signal's number for a command that a signal ended.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the exit code is 0.
    pub const fn ok(&self) -> bool {
        self.code == 0
    }
}

impl From<process::Output> for Output {
    fn from(output: process::Output) -> Self {
        let signal = || output.status.signal().map(|signal| 128 + signal);
        Self {
            code: output.status.code().or_else(signal).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// One host of a running lab.
#[derive(Clone, Copy)]
pub struct Host<'lab> {
    lab: &'lab Lab,
    name: HostName,
}

impl<'lab> Host<'lab> {
    pub(crate) const fn new(lab: &'lab Lab, name: HostName) -> Self {
        Self { lab, name }
    }

    /// Which host this is.
    pub const fn name(&self) -> HostName {
        self.name
    }

    /// A command in all namespaces of the host, with the components on `PATH` and nothing else of the environment; on
    /// the control plane also `KUBECONFIG`. It starts in `/`. Its output is not logged; use [`Self::run`] for that.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.enter();
        command.arg(program);
        command
    }

    /// Runs a script with `sh -e` and logs it. An exit code other than 0 is an error that shows the output and names the
    /// folder with the logs.
    pub fn run(&self, script: &str) -> Result<Output> {
        self.run_with(script, &[])
    }

    /// The same with these variables in the environment of the script.
    pub(crate) fn run_with(&self, script: &str, variables: &Variables) -> Result<Output> {
        let output = self.try_run_with(script, variables)?;
        if output.ok() {
            return Ok(output);
        }
        let Output {
            code,
            stdout,
            stderr,
        } = output;
        Err(self.lab.failure(&format!(
            "exit code {code} on {} from\n{}\n{stdout}{stderr}",
            self.name,
            script.trim()
        )))
    }

    /// As [`Self::run`], but the exit code is for the caller to judge. An error means that the script could not be run at
    /// all.
    pub fn try_run(&self, script: &str) -> Result<Output> {
        self.try_run_with(script, &[])
    }

    /// The same with these variables in the environment of the script.
    pub(crate) fn try_run_with(&self, script: &str, variables: &Variables) -> Result<Output> {
        let mut command = self.command("timeout");
        command
            .args(["-k", "5", PATIENCE_SECONDS, "sh", "-e", "-c", script])
            .envs(variables.iter().map(|(name, value)| (name, value)));
        self.finish(script, &mut command, "")
    }

    /// Runs a command to its end, with this text on its standard input, and logs it under this title.
    pub(crate) fn finish(&self, title: &str, command: &mut Command, input: &str) -> Result<Output> {
        let output = communicate(command, input)
            .with_context(|| format!("running `{}` on {}", first_line(title), self.name))?;
        let output = Output::from(output);
        self.log(title, &output)?;
        Ok(output)
    }

    /// Where a file of the host is seen from the machine, for reading and for replacing it. `file` is absolute.
    pub fn path(&self, file: &str) -> PathBuf {
        let mut path = PathBuf::from(format!("/proc/{}/root", self.lab.holder(self.name).outside));
        path.push(file.trim_start_matches('/'));
        path
    }

    /// Whether a process of the host, not of its pods, listens on this TCP port.
    pub fn listens(&self, port: u16) -> bool {
        let process = self.lab.holder(self.name).outside;
        ["tcp", "tcp6"].iter().any(|table| {
            let sockets = fs::read_to_string(format!("/proc/{process}/net/{table}"));
            is_listening(&sockets.unwrap_or_default(), port)
        })
    }

    /// Writes a file of the host, and the folders above it.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path(file);
        let outcome = match path.parent() {
            Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)),
            None => fs::write(&path, text),
        };
        outcome.with_context(|| format!("writing {file} on {}", self.name))
    }

    /// Runs this program of the machine in the host's namespaces.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--uts", "--net", "--pid", "--target"])
            .arg(self.lab.holder(self.name).outside.to_string())
            .arg("--")
            .env_clear()
            .env(
                "PATH",
                format!("{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            )
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8");
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        if self.name == HostName::ControlPlane {
            command
                .env("KUBECONFIG", KUBECONFIG)
                .env("KUBECACHEDIR", "/run/netdoctor-lab/kubectl-cache");
        }
        command
    }

    pub(crate) fn log(&self, title: &str, output: &Output) -> Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut entry = format!(
            "--- {:.3} {} exit code {}\n{}\n",
            now.as_secs_f64(),
            self.name,
            output.code,
            title.trim()
        );
        for text in [&output.stdout, &output.stderr] {
            if !text.is_empty() {
                entry += &quoted(text);
            }
        }
        let path = self.lab.logs().join("commands.log");
        // One write per entry, so that the entries of several threads do not mix.
        File::options()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(entry.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))
    }
}

/// Runs a command to its end with this text on its standard input.
fn communicate(command: &mut Command, input: &str) -> std::io::Result<process::Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut pipe) = pipe {
                // A command that does not read its input to the end says itself what is wrong.
                let _ = pipe.write_all(input.as_bytes());
            }
        });
        child.wait_with_output()
    })
}

/// Output as it stands in the log, which nobody would read if it held all objects of a cluster again and again.
fn quoted(text: &str) -> String {
    let text = text.trim_end();
    let shown: String = text.chars().take(LOGGED).collect();
    let mut quoted = format!("> {}\n", shown.replace('\n', "\n> "));
    if shown.len() < text.len() {
        quoted += &format!("… and {} bytes more\n", text.len() - shown.len());
    }
    quoted
}

/// Whether a table of sockets, as in `proc_net_tcp(5)`, has one in state `LISTEN` with this local port.
fn is_listening(sockets: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let local_end = format!(":{port:04X}");
    sockets.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _remote, state) = (fields.next(), fields.next(), fields.next());
        local.is_some_and(|local| local.ends_with(&local_end)) && state == Some(LISTEN)
    })
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

/// The `/proc` of the lab, as the machine sees it.
fn proc_of(host: Host<'_>) -> PathBuf {
    host.path("/proc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let sockets = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                       \x20 0: 0100007F:094B 00000000:0000 0A 00000000:00000000\n\
                       \x20 1: 0A001EAC:192B 0B001EAC:A001 01 00000000:00000000\n";
        assert!(is_listening(sockets, 2379));
        assert!(!is_listening(sockets, 6443));
        assert!(!is_listening("", 2379));
    }

    #[test]
    fn the_log_quotes_the_beginning() {
        assert_eq!(quoted("a\nb\n"), "> a\n> b\n");
        let long = "ü".repeat(LOGGED + 1);
        assert!(quoted(&long).ends_with("ü\n… and 2 bytes more\n"));
    }

    #[test]
    fn a_signal_has_an_exit_code() {
        let output = Command::new("sh")
            .args(["-c", "echo a; kill -9 $$"])
            .output();
        let output = Output::from(output.unwrap());
        assert_eq!((output.code, output.stdout.as_str()), (137, "a\n"));
        assert!(!output.ok());
    }

    #[test]
    fn input_reaches_a_command_that_does_not_read_all_of_it() {
        let text = "line\n".repeat(100_000);
        let output = communicate(Command::new("head").arg("-n1"), &text).unwrap();
        assert_eq!(output.stdout, b"line\n");
    }
}
