//! Help texts and usage errors, laid out as kubectl lays them out.

use std::ffi::OsStr;
use std::path::Path;

use clap::builder::styling::Styles;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ColorChoice, Command, CommandFactory as _};

use super::values::Sentence;
use super::{Cli, GlobalArgs, Stop};
use pages::{PAGES, Page};

mod pages;

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
