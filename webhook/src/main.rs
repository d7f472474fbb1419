//! `netdoctor-webhook`

use netdoctor_webhook::{
    audit, logging, serve,
    settings::{Cli, Command},
};
use std::{io::Write as _, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    // Before anything can make a TLS connection.
    _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that went away is no reason to fail: nothing else is left to do.
            _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logging may be what failed.
            _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Command::Version = cli.command {
        let (version, target) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
        writeln!(std::io::stdout(), "netdoctor-webhook {version} {target}")?;
        return Ok(());
    }
    let _last_lines = logging::start(&cli.log.log, cli.log.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        match &cli.command {
            Command::Serve(settings) => serve::serve(settings).await,
            Command::Audit(settings) => audit::audit(settings).await,
            Command::Version => Ok(()),
        }
    });
    // A review that never ends must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
