//! `cargo xtask`: the chores of the project. One module per chore.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check everything: format, lints, licences, unit tests, and the tests against a real API server
    Test,
    /// Build the Kubernetes components of the test lab, unless they are there
    Components,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Test => return test::run(),
        Chore::Components => components(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn components() -> anyhow::Result<()> {
    let components = xtask::components::install(|text| eprintln!("{text}"))?;
    println!("{}", components.folder().display());
    Ok(())
}
