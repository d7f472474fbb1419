//! Running programs as a test should: nothing of the environment gets in, nothing of the machine gets out.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

/// A program that runs longer than this hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; none when a signal ended the program.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "called for the assertion as well"
)]
impl Output {
    /// The output itself, if the program succeeded. Panics with everything it said otherwise.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// The output itself, if the program ended with this code. Panics with everything it said otherwise.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(
            self.code == Some(code),
            "exit code {:?} instead of {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in\n{}", self.stdout))
    }
}

/// A program about to run, with an environment that holds only `PATH`, `LC_ALL=C.UTF-8`, an empty `HOME` and what the
/// test adds. So `CI`, `NO_COLOR`, `CLICOLOR*`, `KUBECONFIG`, proxies and `NETDOCTOR_*` of the person who runs the tests
/// change nothing.
pub struct Program {
    command: Command,
    input: Vec<u8>,
    redactions: Vec<(String, String)>,
    home: TempDir,
}

/// The plugin.
pub fn netdoctor() -> Program {
    Program::new(plugin())
}

impl Program {
    /// A program by path, or by name to be found on `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env_clear();
        // Coverage is measured through these.
        for name in ["PATH", "LLVM_PROFILE_FILE", "SystemRoot"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        let home = TempDir::new().unwrap_or_else(|error| panic!("making a home: {error}"));
        command.env("LC_ALL", "C.UTF-8").env("HOME", home.path());
        Self {
            command,
            input: Vec::new(),
            redactions: Vec::new(),
            home,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        self.command.args(arguments);
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives standard input. Without it, standard input is empty.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Uses this kubeconfig.
    #[must_use]
    pub fn kubeconfig(self, file: impl AsRef<OsStr>) -> Self {
        self.env("KUBECONFIG", file)
    }

    /// Writes `placeholder`, say `@@INPUT@@`, wherever the output shows this path or text.
    #[must_use]
    pub fn redact(mut self, text: impl AsRef<OsStr>, placeholder: &str) -> Self {
        self.redactions.push((
            text.as_ref().to_string_lossy().into_owned(),
            placeholder.to_owned(),
        ));
        self
    }

    /// The command itself, for a test that has to watch it while it runs, and its home, which the test keeps as long.
    /// Input and redactions are not part of it.
    pub fn into_command(self) -> (Command, TempDir) {
        (self.command, self.home)
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        let shown = self.command.get_program().display().to_string();
        let mut command = assert_cmd::Command::from_std(self.command);
        let output = command
            .timeout(TIMEOUT)
            .write_stdin(self.input)
            .output()
            .unwrap_or_else(|error| panic!("running {shown}: {error}"));
        let text = |bytes: &[u8]| redacted(&String::from_utf8_lossy(bytes), &self.redactions);
        Output {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// The longest text first: a file in a folder that is redacted as well keeps its own placeholder.
fn redacted(text: &str, redactions: &[(String, String)]) -> String {
    let mut redactions: Vec<&(String, String)> = redactions
        .iter()
        .filter(|(text, _)| !text.is_empty())
        .collect();
    redactions.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    redactions
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The plugin: `NETDOCTOR_BIN`, or what cargo builds beside this test binary, brought up to date once per process.
pub fn plugin() -> &'static Path {
    static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
    PLUGIN.get_or_init(|| match env::var_os("NETDOCTOR_BIN") {
        Some(binary) => PathBuf::from(binary),
        None => built("kubectl-netdoctor"),
    })
}

/// The webhook: what lies beside `NETDOCTOR_BIN`, or what cargo builds, as for [`plugin`].
pub fn webhook() -> &'static Path {
    static WEBHOOK: OnceLock<PathBuf> = OnceLock::new();
    const NAME: &str = "netdoctor-webhook";
    WEBHOOK.get_or_init(|| match env::var_os("NETDOCTOR_BIN") {
        Some(binary) => Path::new(&binary).with_file_name(NAME),
        None => built(NAME),
    })
}

/// A program of this workspace, as cargo builds it beside this test binary.
fn built(name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    // With the whole workspace selected, features are those of `cargo test --workspace`: nothing is built twice.
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bin", name])
        .current_dir(netdoctor_lab::repository())
        .status()
        .unwrap_or_else(|error| panic!("building {name}: {error}"));
    assert!(status.success(), "building {name} failed ({status})");
    target().join(name)
}

/// The folder of the profile, `target/debug`: test binaries are in `deps` below it.
fn target() -> PathBuf {
    let executable =
        env::current_exe().unwrap_or_else(|error| panic!("finding this test binary: {error}"));
    executable
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_what_the_test_says() {
        let output = Program::new("env").env("NETDOCTOR_CONFIG", "x").run().ok();
        let mut names: Vec<&str> = output
            .stdout
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        names.sort_unstable();
        names.retain(|name| *name != "LLVM_PROFILE_FILE");
        assert_eq!(names, ["HOME", "LC_ALL", "NETDOCTOR_CONFIG", "PATH"]);
    }

    #[test]
    fn input_goes_in_and_redacted_output_comes_out() {
        let program = Program::new("cat").stdin("in /tmp/a/b.yaml of /tmp/a\n");
        let output = program
            .redact("/tmp/a", "@@DIR@@")
            .redact("/tmp/a/b.yaml", "@@INPUT@@")
            .run()
            .ok();
        assert_eq!(output.stdout, "in @@INPUT@@ of @@DIR@@\n");
    }

    #[test]
    fn the_plugin_is_found_and_runs() {
        let output = netdoctor().args(["--help"]).run().ok();
        assert!(output.stdout.contains("netdoctor"), "{}", output.stdout);
    }

    #[test]
    fn a_failure_is_not_overlooked() {
        let outcome = std::panic::catch_unwind(|| Program::new("false").run().ok());
        assert!(outcome.is_err());
    }
}
