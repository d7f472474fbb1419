//! What was typed, what the environment says and where the streams lead, turned into settings.
//!
//! This is the only place that looks at the environment: everything else is given [`Settings`], so that a
//! run can be repeated in a test.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::values::ColorMode;
use crate::cli::{Command, ConnectionArgs};

/// Width of the output where there is no terminal.
const DEFAULT_WIDTH: usize = 80;

/// Variables that are read. `KUBECONFIG` may hold paths that are not UTF-8 and is read on its own.
const VARIABLES: [&str; 26] = [
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "GITHUB_STEP_SUMMARY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "NETDOCTOR_COLOR",
    "NETDOCTOR_CONFIG",
    "NETDOCTOR_NO_INPUT",
    "NETDOCTOR_READONLY",
    "NO_COLOR",
    "NO_PROXY",
    "REQUEST_METHOD",
    "TERM",
    "USERPROFILE",
    "WT_SESSION",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "KUBECTL_PATH",
];

/// The process's surroundings, read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<&'static str, String>,
    kubeconfig: Vec<PathBuf>,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    terminal_width: Option<u16>,
}

impl Environment {
    /// Reads variables, streams and the terminal's width.
    pub(crate) fn capture() -> Self {
        let stdout_is_terminal = std::io::stdout().is_terminal();
        Self {
            variables: VARIABLES
                .into_iter()
                .filter_map(|name| std::env::var(name).ok().map(|value| (name, value)))
                .collect(),
            kubeconfig: std::env::var_os("KUBECONFIG")
                .map(|list| {
                    std::env::split_paths(&list)
                        .filter(|path| !path.as_os_str().is_empty())
                        .collect()
                })
                .unwrap_or_default(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal,
            stderr_is_terminal: std::io::stderr().is_terminal(),
            terminal_width: stdout_is_terminal
                .then(|| terminal_size::terminal_size_of(std::io::stdout()))
                .flatten()
                .map(|(terminal_size::Width(columns), _)| columns),
        }
    }

    fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The value, when it is set and not empty.
    fn value(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A switch that is set, and not to something that means no.
    fn says_yes(&self, name: &str) -> bool {
        self.value(name)
            .is_some_and(|value| !matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False"))
    }

    fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.value(name))
    }
}

/// What an output stream can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Colour is wanted and can be shown.
    pub(crate) color: bool,
    /// Somebody reads along: durations and hints that change from run to run may be shown.
    pub(crate) is_terminal: bool,
}

/// How this run behaves, apart from what it judges.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they vary independently")]
pub(crate) struct Settings {
    /// Where the result goes.
    pub(crate) stdout: Stream,
    /// Symbols beyond ASCII can be shown.
    pub(crate) unicode: bool,
    /// Columns of the terminal, or 80.
    pub(crate) width: usize,
    /// Lines on standard error may be redrawn.
    pub(crate) progress: bool,
    /// Only the result is wanted.
    pub(crate) quiet: bool,
    /// Nothing may be written to a cluster.
    pub(crate) readonly: bool,
    /// Somebody can answer a question.
    pub(crate) may_ask: bool,
    /// The level of `-v`.
    pub(crate) verbosity: u8,
    /// The configuration file that was named, by flag or variable.
    pub(crate) config: Option<PathBuf>,
    /// Where the summary of a workflow step goes, in GitHub Actions.
    pub(crate) step_summary: Option<PathBuf>,
    /// The kubectl to call, as kubectl tells its plugins.
    pub(crate) kubectl: PathBuf,
    /// How to reach the API server.
    pub(crate) connection: Connection,
}

/// Everything that [`crate::cluster::connect`] needs to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// kubectl's flags.
    pub(crate) args: ConnectionArgs,
    /// Files to merge, in order of precedence. With `--kubeconfig` the only one, and it must exist.
    pub(crate) kubeconfig: Vec<PathBuf>,
    /// `--kubeconfig` was given.
    pub(crate) kubeconfig_is_explicit: bool,
    /// Proxy variables.
    pub(crate) proxy: ProxyVariables,
    /// The variables that Kubernetes gives to containers are set.
    pub(crate) in_cluster: bool,
    /// A credential plugin may ask the user.
    pub(crate) stdin_is_terminal: bool,
    /// Limit for one request; absent means none of its own.
    pub(crate) request_timeout: Option<Duration>,
    /// The level of `-v`.
    pub(crate) verbosity: u8,
}

/// `HTTPS_PROXY` and its relatives, upper case before lower case as in Go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProxyVariables {
    /// For `https://` servers.
    pub(crate) https: Option<String>,
    /// For `http://` servers.
    pub(crate) http: Option<String>,
    /// Hosts that are reached directly.
    pub(crate) no_proxy: String,
}

impl Settings {
    /// Combines a command with its surroundings. A flag wins over a variable.
    pub(crate) fn new(command: &Command, environment: &Environment) -> Self {
        let global = command.global();
        let variable = environment
            .value("NETDOCTOR_COLOR")
            .and_then(|text| match text {
                "auto" => Some(ColorMode::Auto),
                "always" => Some(ColorMode::Always),
                "never" => Some(ColorMode::Never),
                _ => None,
            });
        let mode = global.color.or(variable).unwrap_or(ColorMode::Auto);
        let stream = |is_terminal| Stream {
            color: use_color(mode, environment, is_terminal),
            is_terminal,
        };
        let verbosity = global.verbosity.unwrap_or(0);
        let config = command.report().and_then(|report| report.config.clone());
        Self {
            stdout: stream(environment.stdout_is_terminal),
            unicode: shows_unicode(environment),
            width: environment
                .terminal_width
                .filter(|width| *width > 0)
                .map_or(DEFAULT_WIDTH, usize::from),
            progress: environment.stderr_is_terminal
                && !environment.is_set("CI")
                && !global.quiet
                && environment.value("TERM") != Some("dumb"),
            quiet: global.quiet,
            readonly: global.readonly || environment.says_yes("NETDOCTOR_READONLY"),
            may_ask: environment.stdin_is_terminal && !environment.says_yes("NETDOCTOR_NO_INPUT"),
            verbosity,
            config: config.or_else(|| environment.value("NETDOCTOR_CONFIG").map(PathBuf::from)),
            step_summary: environment.value("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            kubectl: environment
                .value("KUBECTL_PATH")
                .unwrap_or("kubectl")
                .into(),
            connection: connection(&global.connection, environment, verbosity),
        }
    }
}

fn connection(args: &ConnectionArgs, environment: &Environment, verbosity: u8) -> Connection {
    let explicit = args
        .kubeconfig
        .clone()
        .filter(|path| !path.as_os_str().is_empty());
    let kubeconfig_is_explicit = explicit.is_some();
    let kubeconfig = match explicit {
        Some(path) => vec![path],
        None if environment.kubeconfig.is_empty() => {
            default_kubeconfig(environment).into_iter().collect()
        }
        None => environment.kubeconfig.clone(),
    };
    // A CGI program must not take its proxy from a request header (golang.org/x/net/http/httpproxy).
    let is_cgi = environment.is_set("REQUEST_METHOD");
    Connection {
        args: args.clone(),
        kubeconfig,
        kubeconfig_is_explicit,
        proxy: ProxyVariables {
            https: environment
                .first_of(&["HTTPS_PROXY", "https_proxy"])
                .map(str::to_owned),
            http: environment
                .first_of(&["HTTP_PROXY", "http_proxy"])
                .filter(|_| !is_cgi)
                .map(str::to_owned),
            no_proxy: environment
                .first_of(&["NO_PROXY", "no_proxy"])
                .unwrap_or_default()
                .to_owned(),
        },
        in_cluster: environment.value("KUBERNETES_SERVICE_HOST").is_some()
            && environment.value("KUBERNETES_SERVICE_PORT").is_some(),
        stdin_is_terminal: environment.stdin_is_terminal,
        request_timeout: args.request_timeout.filter(|timeout| !timeout.is_zero()),
        verbosity,
    }
}

fn default_kubeconfig(environment: &Environment) -> Option<PathBuf> {
    let home = environment.first_of(if cfg!(windows) {
        &["HOME", "USERPROFILE"]
    } else {
        &["HOME"]
    })?;
    Some(PathBuf::from(home).join(".kube").join("config"))
}

/// Whether one stream is coloured. From strongest to weakest: the mode (`--color`, `NETDOCTOR_COLOR`),
/// `NO_COLOR` (set at all, as kubectl reads it), `CLICOLOR_FORCE`, `CLICOLOR=0`, and then whether the
/// stream is a terminal that can show colour.
fn use_color(mode: ColorMode, environment: &Environment, is_terminal: bool) -> bool {
    match mode {
        ColorMode::Always => return true,
        ColorMode::Never => return false,
        ColorMode::Auto => {}
    }
    if environment.is_set("NO_COLOR") {
        return false;
    }
    if environment
        .value("CLICOLOR_FORCE")
        .is_some_and(|value| value != "0")
    {
        return true;
    }
    is_terminal
        && environment.value("CLICOLOR") != Some("0")
        && environment.value("TERM") != Some("dumb")
        && (cfg!(not(windows)) || environment.is_set("WT_SESSION"))
}

/// The locale's character set, by the variables POSIX gives it, in their order.
fn shows_unicode(environment: &Environment) -> bool {
    if cfg!(windows) {
        return environment.is_set("WT_SESSION");
    }
    environment
        .first_of(&["LC_ALL", "LC_CTYPE", "LANG"])
        .is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
}

#[cfg(test)]
impl Environment {
    /// Surroundings for a test: variables, and whether all streams are terminals.
    pub(crate) fn fake(variables: &[(&'static str, &str)], terminal: bool) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            stdin_is_terminal: terminal,
            stdout_is_terminal: terminal,
            stderr_is_terminal: terminal,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
