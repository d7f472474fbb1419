//! `cargo xtask`: the chores of the project. One module per chore.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

mod bench;
mod image;
mod lab;
mod load;
mod new_rule;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check everything: format, lints, licences, unit tests, and the tests against a real API server
    Test,
    /// Build the Kubernetes components of the test lab, unless they are there, and install the packages that it needs
    Components,
    /// A real cluster of several nodes on this machine, whose network can be broken on purpose
    Lab(lab::LabArgs),
    Load(load::LoadArgs),
    /// Make the files of a new rule, e.g. `new-rule SVC099 service-does-something-wrong`
    NewRule {
        /// Area and three digits
        code: String,
        /// What is wrong, in lower-case words joined by hyphens
        name: String,
    },
    /// Write the rule pages under docs/ and the files under manifests/ anew
    Docs,
    /// Measure the performance targets on release builds
    Bench(bench::BenchArgs),
    /// Build the container image of webhook and plugin: static programs, no builder, no other image below it
    Image(image::ImageArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Test => return test::run(),
        Chore::Components => components(),
        Chore::Lab(arguments) => lab::run(arguments),
        Chore::Load(arguments) => load::run(&arguments),
        Chore::NewRule { code, name } => new_rule::make(&netdoctor_lab::repository(), &code, &name)
            .map(|next| println!("{next}")),
        Chore::Docs => docs(),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Image(arguments) => image::run(&arguments),
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
    if let Err(error) = tools::install_packages(|text| eprintln!("{text}")) {
        // They are not needed to build, and an API server alone gets by with etcd.
        eprintln!("warning: {error:#}");
    }
    let components = netdoctor_lab::components::install(|text| eprintln!("{text}"))?;
    println!("{}", components.folder().display());
    Ok(())
}

/// The test that compares the generated files with the committed ones also writes them.
fn docs() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = std::process::Command::new(cargo)
        .args([
            "test",
            "--quiet",
            // With all of it selected nothing is built twice, with other features than the tests have.
            "--workspace",
            "--test",
            "docs",
            "--test",
            "manifests",
        ])
        .env("NETDOCTOR_UPDATE_DOCS", "1")
        .current_dir(netdoctor_lab::repository())
        .status()?;
    anyhow::ensure!(status.success(), "the pages could not be written");
    Ok(())
}
