//! One function per command: from what was typed to an exit code.

mod version;

use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::{Cli, Command, help};
use crate::cluster::COULD_NOT_COMPLETE;
use crate::settings::{Environment, Settings};

/// Runs a command.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let settings = Settings::new(&cli.command, &Environment::capture());
    let result = match cli.command {
        Command::Version(args) => version::run(&args, &settings),
        Command::Options(_) => std::io::stdout()
            .write_all(help::options().as_bytes())
            .map_err(Into::into),
        _ => Err(anyhow::anyhow!("error: this command is not ready")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::from(COULD_NOT_COMPLETE)
        }
    }
}
