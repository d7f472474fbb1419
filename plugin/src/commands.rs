//! One function per command: from what was typed to an exit code.

mod bundle;
mod check;
mod checks;
mod demo;
mod explain;
mod judge;
mod lint;
mod version;
mod webhook;

use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::{BundleCommand, ChecksCommand, Cli, Command, help};
use crate::cluster::COULD_NOT_COMPLETE;
use crate::settings::{Environment, Settings};

/// Runs a command.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let settings = Settings::new(&cli.command, &Environment::capture());
    let result = match cli.command {
        Command::Check(args) => check::run(&args, &settings),
        Command::Lint(args) => lint::run(&args, &settings),
        Command::Explain(args) => explain::run(&args, &settings),
        Command::Checks(args) => match args.command {
            ChecksCommand::List(args) => checks::list(&args),
        },
        Command::Bundle(args) => match args.command {
            BundleCommand::Save(args) => bundle::save(&args, &settings),
            BundleCommand::Show(args) => bundle::show(&args),
        },
        Command::Webhook(args) => webhook::run(&args, &settings),
        Command::Demo(args) => demo::run(&args, &settings),
        Command::Version(args) => version::run(&args, &settings).map(|()| 0),
        Command::Options(_) => std::io::stdout()
            .write_all(help::options().as_bytes())
            .map(|()| 0)
            .map_err(Into::into),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{error:#}");
            _ = writeln!(std::io::stderr(), "{}", crate::terminal::sanitize(&text));
            let usage = error.downcast_ref::<Usage>().is_some();
            ExitCode::from(if usage { 2 } else { COULD_NOT_COMPLETE })
        }
    }
}

/// A mistake on the command line that only shows once other things are known (exit code 2).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A reader that went away (`| head`) has seen what it wanted.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let pipe = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(pipe))
}
