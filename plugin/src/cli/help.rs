//! Help texts and usage errors, laid out as kubectl lays them out.

use std::ffi::OsStr;
use std::path::Path;

use clap::builder::styling::Styles;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ColorChoice, Command, CommandFactory as _};

use super::values::Sentence;
use super::{Cli, GlobalArgs, Stop};

/// Heading that marks the flags of every command.
pub(crate) const GLOBAL: &str = "Global";

/// How kubectl users call us, and how the executable is called on its own.
const PLUGIN: &str = "kubectl netdoctor";
const DIRECT: &str = "netdoctor";

/// The name that help uses: `argv[0]` is the path of the file that was run, often a symbolic link.
pub(crate) fn program_name(argv0: Option<&OsStr>) -> &'static str {
    let base = argv0
        .map(Path::new)
        .and_then(Path::file_name)
        .unwrap_or_default();
    if base.as_encoded_bytes().starts_with(b"kubectl-") {
        PLUGIN
    } else {
        DIRECT
    }
}

/// The commands with their help layout.
pub(crate) fn definition(program: &'static str) -> Command {
    decorate(Cli::command().name(program), program, program, "")
}

fn decorate(command: Command, program: &str, path: &str, key: &str) -> Command {
    let page = PAGES.iter().find(|page| page.command == key);
    let has_subcommands = command.has_subcommands();
    let mut command = command
        .bin_name(path)
        .styles(Styles::plain())
        .color(ColorChoice::Never)
        .max_term_width(100)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommand_help_heading("Available Commands")
        .arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::HelpShort)
                .hide(true),
        );
    command = command.mut_args(|arg| {
        let hide =
            arg.is_hide_set() || arg.get_help_heading() == Some(GLOBAL) || arg.is_positional();
        arg.hide(hide)
    });
    if let Some(page) = page {
        command = command
            .before_help(
                page.examples
                    .replace(PLUGIN, program)
                    .trim_matches('\n')
                    .to_owned(),
            )
            .override_usage(page.usage.replace(PLUGIN, program))
            .after_help(footer(program, path, has_subcommands));
        command = command.help_template(template(page, has_subcommands));
    }
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let sub_path = format!("{path} {name}");
        let sub_key = if key.is_empty() {
            name.clone()
        } else {
            format!("{key} {name}")
        };
        command = command.mut_subcommand(name, |sub| decorate(sub, program, &sub_path, &sub_key));
    }
    command
}

fn template(page: &Page, has_subcommands: bool) -> String {
    // The list of commands shows the short text of the definition, a command's own page the long one.
    let mut template = page.about.to_owned();
    template.push_str("\n\nExamples:\n{before-help}");
    if has_subcommands {
        template.push_str("Available Commands:\n{subcommands}\n\n");
    } else if page.has_options {
        template.push_str("Options:\n{options}\n\n");
    }
    template.push_str("Usage:\n  {usage}{after-help}");
    template
}

fn footer(program: &str, path: &str, has_subcommands: bool) -> String {
    let mut footer = String::new();
    if program == path {
        footer
            .push_str("Without a command word, the arguments and flags are those of \"check\".\n");
    }
    if has_subcommands {
        footer.push_str("Use \"");
        footer.push_str(path);
        footer.push_str(" COMMAND --help\" for more about a command.\n");
    }
    footer.push_str("Use \"");
    footer.push_str(program);
    footer.push_str(" options\" for a list of the flags that every command accepts.");
    footer
}

/// What `options` prints.
pub(crate) fn options() -> String {
    let command = <GlobalArgs as clap::Args>::augment_args(Command::new("options"))
        .mut_args(|arg| arg.help_heading(None::<&str>))
        .styles(Styles::plain())
        .color(ColorChoice::Never)
        .max_term_width(100)
        .disable_help_flag(true)
        .help_template("The following flags can be passed to any command:\n\n{options}\n");
    let mut command = command;
    command.render_help().to_string()
}

/// A usage error: the sentence, then where to look.
pub(crate) fn usage(sentence: &str, command_path: &str) -> Stop {
    Stop::Usage(format!(
        "{}\nSee '{command_path} --help' for usage.\n",
        sentence.trim_end_matches('\n')
    ))
}

/// Turns what clap reports into help or into a usage error in kubectl's words.
pub(crate) fn stop(error: &clap::Error, command_path: &str) -> Stop {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Stop::Help(error.render().to_string())
        }
        _ => usage(&sentence(error), command_path),
    }
}

fn sentence(error: &clap::Error) -> String {
    let source = std::error::Error::source(error);
    if let Some(Sentence(sentence)) = source.and_then(|source| source.downcast_ref()) {
        return sentence.clone();
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    // clap shows `--fail-on <SEVERITY>`; kubectl names the flag alone.
    let flag = argument.split([' ', '=']).next().unwrap_or_default();
    let bare = argument.trim_matches(|c| matches!(c, '<' | '>' | '[' | ']' | '.'));
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let reason = match (source, context(ContextKind::ValidValue)) {
                (Some(source), _) => source.to_string(),
                (None, Some(values)) if !values.is_empty() => format!("must be one of: {values}"),
                (None, _) => "must not be empty".to_owned(),
            };
            format!("error: invalid argument {value:?} for {flag:?} flag: {reason}")
        }
        ErrorKind::MissingRequiredArgument => format!("error: {bare} is required"),
        ErrorKind::UnknownArgument => format!("error: unexpected argument {bare:?}"),
        _ => {
            let text = error.render().to_string();
            text.lines().next().unwrap_or_default().to_owned()
        }
    }
}

/// Help of one command. Texts name the plugin; they are rewritten when it runs under its own name.
struct Page {
    command: &'static str,
    about: &'static str,
    examples: &'static str,
    usage: &'static str,
    has_options: bool,
}

const PAGES: [Page; 12] = [
    Page {
        command: "",
        about: "Find out why a Kubernetes network does not work, and what fixes it.",
        examples: "
  # Check the current namespace
  kubectl netdoctor

  # Check one object and what it depends on
  kubectl netdoctor svc/web -n shop

  # Lint manifests before they are committed
  kubectl netdoctor lint -f deploy/ -R

  # See what it finds in a broken cluster, without having one
  kubectl netdoctor demo
",
        usage: "kubectl netdoctor [COMMAND] [TYPE/NAME | TYPE NAME ...] [flags]",
        has_options: false,
    },
    Page {
        command: "check",
        about: "Run the rules on the objects of a cluster, or on a saved state, and name the cause of what is
broken.

Objects given as arguments limit the report to them and to what explains their findings. Nothing is
written to the cluster. The exit code is 0 when nothing is found at or above --fail-on, 1 when
something is, 2 for wrong usage and 3 when the check could not be completed.",
        examples: "
  # Check the current namespace
  kubectl netdoctor check

  # Check all namespaces
  kubectl netdoctor check -A

  # Check one Service and what it depends on
  kubectl netdoctor check svc/web -n shop

  # Fail on warnings too, and write the report to a file beside the text
  kubectl netdoctor check -n shop --fail-on=warning -o json=report.json

  # Check a saved state
  kubectl netdoctor check --from shop.json.gz
",
        usage: "kubectl netdoctor check [TYPE/NAME | TYPE NAME ...] [flags]",
        has_options: true,
    },
    Page {
        command: "lint",
        about: "Run the rules on manifests, without a cluster.

Files may hold several documents, as YAML or JSON. A file that cannot be read is reported and makes
the exit code 3; the others are still judged.",
        examples: "
  # Lint a directory and everything below it
  kubectl netdoctor lint -f deploy/ -R

  # Lint a kustomization
  kubectl netdoctor lint -k overlays/production

  # Lint what a chart renders
  helm template shop ./chart | kubectl netdoctor lint -

  # Annotate a pull request and write a report for code scanning
  kubectl netdoctor lint -f deploy/ -R -o github -o sarif=netdoctor.sarif --fail-on=warning
",
        usage: "kubectl netdoctor lint (-f FILENAME | -k DIRECTORY | -) [flags]",
        has_options: true,
    },
    Page {
        command: "explain",
        about: "Show the page of a rule: what it finds, why it matters, an example and the fix.
No cluster is needed.",
        examples: "
  # Explain a code from a report
  kubectl netdoctor explain SVC004

  # Explain a rule by its name
  kubectl netdoctor explain target-port-name-unresolved
",
        usage: "kubectl netdoctor explain (CODE | NAME) [flags]",
        has_options: false,
    },
    Page {
        command: "checks",
        about: "List what is checked.",
        examples: "
  # List all rules
  kubectl netdoctor checks list
",
        usage: "kubectl netdoctor checks COMMAND [flags]",
        has_options: false,
    },
    Page {
        command: "checks list",
        about: "List the rules with their severity and what each one needs to read.",
        examples: "
  # List all rules
  kubectl netdoctor checks list

  # List them for a program
  kubectl netdoctor checks list -o json
",
        usage: "kubectl netdoctor checks list [flags]",
        has_options: true,
    },
    Page {
        command: "bundle",
        about: "Save the state of a cluster to a file, or show what such a file holds.",
        examples: "
  # Save a namespace for a ticket
  kubectl netdoctor bundle save shop.json.gz -n shop

  # Check what was saved
  kubectl netdoctor check --from shop.json.gz
",
        usage: "kubectl netdoctor bundle COMMAND [flags]",
        has_options: false,
    },
    Page {
        command: "bundle save",
        about: "Save what the rules read to a file.

Secret data, environment values and annotations that look like credentials are left out. The file
gives the same report as the cluster did.",
        examples: "
  # Save the current namespace
  kubectl netdoctor bundle save shop.json

  # Save all namespaces, compressed
  kubectl netdoctor bundle save cluster.json.gz -A
",
        usage: "kubectl netdoctor bundle save FILENAME [flags]",
        has_options: true,
    },
    Page {
        command: "bundle show",
        about: "Show what a saved state holds: when and where it was taken, what was listed and what could not be
read.",
        examples: "
  # Show what a file holds
  kubectl netdoctor bundle show shop.json.gz
",
        usage: "kubectl netdoctor bundle show FILENAME [flags]",
        has_options: false,
    },
    Page {
        command: "demo",
        about: "Show what a built-in broken cluster looks like. No cluster is needed, and the exit code is 0.",
        examples: "
  # List the scenarios and play the first
  kubectl netdoctor demo

  # Play one of them
  kubectl netdoctor demo SCENARIO
",
        usage: "kubectl netdoctor demo [SCENARIO] [flags]",
        has_options: true,
    },
    Page {
        command: "version",
        about: "Print the version of the plugin and of the server.",
        examples: "
  # Print both versions
  kubectl netdoctor version

  # Print the version of the plugin only, without a cluster
  kubectl netdoctor version --client
",
        usage: "kubectl netdoctor version [flags]",
        has_options: true,
    },
    Page {
        command: "options",
        about: "List the flags that every command accepts.",
        examples: "
  # List them
  kubectl netdoctor options
",
        usage: "kubectl netdoctor options",
        has_options: false,
    },
];
