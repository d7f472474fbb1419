//! The `kubectl netdoctor` plugin: names the cause of what is broken in a Kubernetes network.

mod cli;
mod cluster;
mod commands;
mod demo;
mod outcome;
mod progress;
mod prompt;
mod render;
mod settings;
mod source;
mod terminal;

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cluster::install_crypto_provider();
    match cli::parse(std::env::args_os()) {
        Ok(cli) => commands::run(cli),
        // A reader that went away is no reason to fail: nothing else is left to do.
        Err(cli::Stop::Help(text)) => {
            _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(cli::Stop::Usage(text)) => {
            _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(2)
        }
    }
}
