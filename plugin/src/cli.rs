//! What was typed: commands, arguments and flags, with nothing looked up and nothing decided.
//!
//! ```text
//! argv --argv::normalise--> words first, pflag habits resolved --clap--> Cli
//!                                                               `------> Stop (help or a usage error)
//! ```
//!
//! kubectl accepts flags anywhere after the plugin name, `--flag=false`, `-oyaml` and repeated flags; clap
//! alone does not. [`argv`] rewrites the command line first, so that the types below stay plain.

pub(crate) mod argv;
pub(crate) mod global;
pub(crate) mod help;
pub(crate) mod target;
pub(crate) mod values;
pub(crate) mod webhook;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, FromArgMatches as _, Parser, Subcommand};

pub(crate) use global::{ConnectionArgs, GlobalArgs};

use target::Target;
use values::{DocumentFormat, FailOn, ListFormat, MinSeverity, Output};
use webhook::WebhookArgs;

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(
    name = "netdoctor",
    about = "Find out why a Kubernetes network does not work, and what fixes it"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One variant per command. Without a command word the arguments are those of `check`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the rules on the objects of a cluster, or on a saved state
    Check(Box<CheckArgs>),
    /// Run the rules on manifests, without a cluster
    Lint(Box<LintArgs>),
    /// Show the page of a rule, with examples and fix
    Explain(Box<ExplainArgs>),
    /// List what is checked
    Checks(ChecksArgs),
    /// Save the state of a cluster to a file, or show what such a file holds
    Bundle(BundleArgs),
    /// Guard kubectl apply with the same rules
    Webhook(WebhookArgs),
    /// Show what a built-in broken cluster looks like
    Demo(Box<DemoArgs>),
    /// Print the version of the plugin and of the server
    Version(Box<VersionArgs>),
    /// List the flags that every command accepts
    Options(Box<OptionsArgs>),
}

/// `check [TYPE/NAME | TYPE NAME] …`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Objects to report on, as TYPE/NAME or TYPE NAME
    #[arg(value_name = "TYPE/NAME")]
    pub(crate) objects: Vec<String>,
    /// The same, taken apart. Filled after parsing.
    #[arg(skip)]
    pub(crate) targets: Vec<Target>,
    /// Check all namespaces, even if --namespace is given
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Report on objects with these labels only (e.g. -l key1=value1,key2!=value2)
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Read a saved state instead of a cluster: a bundle, or the output of "kubectl get -o json"; a
    /// directory of such files, or - for standard input. Repeatable
    #[arg(long, value_name = "FILENAME", value_delimiter = ',')]
    pub(crate) from: Vec<PathBuf>,
    /// Read the last log lines of failing containers too
    #[arg(long)]
    pub(crate) logs: bool,
    /// Read cluster facts that objects cannot show from this file
    #[arg(long, value_name = "FILENAME")]
    pub(crate) facts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `lint -f FILENAME… | -k DIR | -`
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Files and directories, or - for standard input; the same as -f
    #[arg(value_name = "FILENAME")]
    pub(crate) paths: Vec<PathBuf>,
    /// Files, directories, globs, or - for standard input. Repeatable, or separated by commas
    #[arg(short = 'f', long, value_name = "FILENAME", value_delimiter = ',')]
    pub(crate) filename: Vec<PathBuf>,
    /// Build this kustomization directory and lint the result
    #[arg(short = 'k', long, value_name = "DIR")]
    pub(crate) kustomize: Option<PathBuf>,
    /// Descend into the directories given by -f
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// Judge the manifests as they would be in the cluster: what it holds counts, as far as it can be read
    #[arg(long)]
    pub(crate) with_cluster: bool,
    /// Read cluster facts that manifests cannot show from this file
    #[arg(long, value_name = "FILENAME")]
    pub(crate) facts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

impl LintArgs {
    /// Every path that was given, by flag or by position.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &PathBuf> {
        self.filename.iter().chain(&self.paths)
    }
}

/// `explain CODE|name`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A code such as SVC004, or the name of a rule
    #[arg(value_name = "CODE")]
    pub(crate) rule: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `checks list`
#[derive(Debug, Args)]
pub(crate) struct ChecksArgs {
    #[command(subcommand)]
    pub(crate) command: ChecksCommand,
}

/// What can be done with checks.
#[derive(Debug, Subcommand)]
pub(crate) enum ChecksCommand {
    /// List the rules with their severity and what each one needs to read
    List(Box<ChecksListArgs>),
}

/// `checks list`
#[derive(Debug, Args)]
pub(crate) struct ChecksListArgs {
    /// Output format: json, yaml or name; a table when not given
    #[arg(short = 'o', long, value_name = "FORMAT", value_parser = ListFormat::parse)]
    pub(crate) output: Option<ListFormat>,
    /// Print no column headers
    #[arg(long)]
    pub(crate) no_headers: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `bundle save|show`
#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    pub(crate) command: BundleCommand,
}

/// What can be done with a saved state.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Save what the rules read to a file, without Secret data and environment values
    Save(Box<BundleSaveArgs>),
    /// Show what a saved state holds
    Show(Box<BundleShowArgs>),
}

/// `bundle save FILENAME`
#[derive(Debug, Args)]
pub(crate) struct BundleSaveArgs {
    /// The file to write, compressed when its name ends in .gz; - for standard output
    #[arg(value_name = "FILENAME")]
    pub(crate) file: PathBuf,
    /// Save all namespaces, even if --namespace is given
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Read cluster facts that objects cannot show from this file
    #[arg(long, value_name = "FILENAME")]
    pub(crate) facts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `bundle show FILENAME`
#[derive(Debug, Args)]
pub(crate) struct BundleShowArgs {
    /// The file to read; - for standard input
    #[arg(value_name = "FILENAME")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `demo [SCENARIO]`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The scenario to play; without one they are listed and the first is played
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
    /// Output format, as for check
    #[arg(short = 'o', long, value_name = "FORMAT[=FILE]", value_parser = Output::parse)]
    pub(crate) output: Vec<Output>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `version [--client]`
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Do not ask the server for its version
    #[arg(long)]
    pub(crate) client: bool,
    /// Output format: json or yaml
    #[arg(short = 'o', long, value_name = "FORMAT", value_parser = DocumentFormat::parse)]
    pub(crate) output: Option<DocumentFormat>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `options`
#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Which rules run, what is shown, and how: the same for `check` and `lint`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Lowest severity that makes the exit code 1: error, warning, info or never. Default: error
    #[arg(long, value_name = "SEVERITY", hide_possible_values = true)]
    pub(crate) fail_on: Option<FailOn>,
    /// Lowest severity that is shown: error, warning or info. Default: info
    #[arg(long, value_name = "SEVERITY", hide_possible_values = true)]
    pub(crate) min_severity: Option<MinSeverity>,
    /// Accept findings: CODE[/CASE] of a rule, everywhere or on TYPE/NAME[.NAMESPACE]. Repeatable
    #[arg(
        long,
        alias = "ignore",
        value_name = "CODE[=OBJECT]",
        value_delimiter = ','
    )]
    pub(crate) allow: Vec<String>,
    /// Run these rules only, by code or name. Repeatable
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Do not run these rules. Repeatable
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// Read settings from this file instead of .netdoctor.yaml
    #[arg(long, value_name = "FILENAME")]
    pub(crate) config: Option<PathBuf>,
    /// Fail when something at or above --fail-on could not be checked
    #[arg(long)]
    pub(crate) strict: bool,
    /// Judge ages and expiry as of this time (e.g. 2026-03-31T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = values::timestamp)]
    pub(crate) now: Option<jiff::Timestamp>,
    /// Output format, also to a file: human, short, json, yaml, name, sarif, junit or github.
    /// Repeatable
    #[arg(short = 'o', long, value_name = "FORMAT[=FILE]", value_parser = Output::parse)]
    pub(crate) output: Vec<Output>,
}

impl Command {
    /// The flags of commands that judge something.
    pub(crate) fn report(&self) -> Option<&ReportArgs> {
        match self {
            Self::Check(args) => Some(&args.report),
            Self::Lint(args) => Some(&args.report),
            Self::Explain(_)
            | Self::Checks(_)
            | Self::Bundle(_)
            | Self::Webhook(_)
            | Self::Demo(_)
            | Self::Version(_)
            | Self::Options(_) => None,
        }
    }

    /// The flags that every command has.
    pub(crate) fn global(&self) -> &GlobalArgs {
        match self {
            Self::Check(args) => &args.global,
            Self::Lint(args) => &args.global,
            Self::Explain(args) => &args.global,
            Self::Checks(ChecksArgs {
                command: ChecksCommand::List(args),
            }) => &args.global,
            Self::Bundle(BundleArgs {
                command: BundleCommand::Save(args),
            }) => &args.global,
            Self::Bundle(BundleArgs {
                command: BundleCommand::Show(args),
            }) => &args.global,
            Self::Webhook(args) => args.command.global(),
            Self::Demo(args) => &args.global,
            Self::Version(args) => &args.global,
            Self::Options(args) => &args.global,
        }
    }
}

/// Why there is no command to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Help was asked for: text for standard output, exit code 0.
    Help(String),
    /// The command line is wrong: text for standard error, exit code 2.
    Usage(String),
}

/// Parses a command line, `argv[0]` included: it decides whether help says `kubectl netdoctor` or `netdoctor`.
pub(crate) fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Cli, Stop> {
    let mut argv = argv.into_iter();
    let program = help::program_name(argv.next().as_deref());
    let definition = help::definition(program);
    let argv = argv::normalise(&definition, argv.collect(), program)?;
    let matches = definition
        .try_get_matches_from(std::iter::once(OsString::from(program)).chain(argv.tokens))
        .map_err(|error| help::stop(&error, &argv.command_path))?;
    let mut cli =
        Cli::from_arg_matches(&matches).map_err(|error| help::stop(&error, &argv.command_path))?;
    complete(&mut cli, argv.implicit)
        .map_err(|sentence| help::usage(&sentence, &argv.command_path))?;
    Ok(cli)
}

/// Checks that clap cannot express; returns kubectl's sentence for each.
fn complete(cli: &mut Cli, implicit: bool) -> Result<(), String> {
    match &mut cli.command {
        Command::Check(args) => {
            if implicit && let [word] = &args.objects[..] {
                target::refuse_misspelt_command(word)?;
            }
            args.targets = Target::parse_all(&args.objects)?;
            values::one_standard_output(&args.report.output)
        }
        Command::Lint(args) => {
            match (args.kustomize.is_some(), args.inputs().next().is_some()) {
                (true, true) => return Err("error: only one of -f or -k can be specified".into()),
                (false, false) => return Err("error: must specify one of -f and -k".into()),
                (true, false) if args.recursive => {
                    return Err("error: the -k flag can't be used with -f or -R".into());
                }
                (true, false) | (false, true) => {}
            }
            values::one_standard_output(&args.report.output)
        }
        Command::Demo(args) => values::one_standard_output(&args.output),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
