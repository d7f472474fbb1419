use super::*;

fn read(arguments: &[&str]) -> Result<Serve, String> {
    let arguments = std::iter::once("netdoctor-webhook").chain(arguments.iter().copied());
    let cli = Cli::read(arguments.map(OsString::from)).map_err(|error| error.to_string())?;
    match cli.command {
        Command::Serve(serve) => Ok(*serve),
        Command::Audit(_) => Err("audit".to_owned()),
        Command::Version => Err("version".to_owned()),
    }
}

#[test]
fn defaults_are_those_of_the_manifests_and_the_design() {
    let serve = read(&[]).unwrap();
    assert_eq!(serve.network.port, 10_250);
    assert_eq!(serve.tls.certificates, Certificates::SelfManaged);
    assert_eq!(serve.tls.timing(), Timing::default());
    assert_eq!(serve.bounds.limits().body, 8 << 20);
    assert_eq!(serve.bounds.times().head, Duration::from_secs(2));
    assert!(serve.bounds.worker_count() >= 1);
    let drain = serve.shutdown.drain();
    let together = drain.leaving + drain.closing + drain.stopping;
    assert!(
        together < Duration::from_secs(30),
        "longer than the grace period of a Pod"
    );
    assert_eq!(serve.place().hooks[0].webhook, names::VALIDATING_WEBHOOK);
}

#[test]
fn without_a_command_it_serves() {
    assert_eq!(read(&["--port", "1234"]).unwrap().network.port, 1_234);
    assert_eq!(read(&["serve", "--port=1234"]).unwrap().network.port, 1_234);
    assert_eq!(read(&["--log", "debug"]).unwrap().network.port, 10_250);
    assert_eq!(read(&["version"]).unwrap_err(), "version");
    assert_eq!(read(&["audit"]).unwrap_err(), "audit");
    assert!(read(&["--help"]).unwrap_err().contains("Commands:"));
    assert!(read(&["nonsense"]).unwrap_err().contains("nonsense"));
}

#[test]
fn files_need_a_folder_and_callers_need_a_name() {
    assert!(
        read(&["--certificates", "files"])
            .unwrap_err()
            .contains("--tls-dir")
    );
    let files = read(&["--certificates", "cert-manager", "--tls-dir", "/tls"]).unwrap();
    assert_eq!(files.tls.certificates, Certificates::Files);
    assert!(
        read(&["--client-ca-file", "/ca"])
            .unwrap_err()
            .contains("--client-name")
    );
    let callers = read(&["--client-ca-file", "/ca", "--client-name", "a,b"]).unwrap();
    assert_eq!(callers.tls.client_name, ["a", "b"]);
}

#[test]
fn what_does_not_fit_together_is_said() {
    for (arguments, says) in [
        (&["--certificate-poll", "6m"][..], "--certificate-poll"),
        (&["--certificate-poll", "0"], "--certificate-poll"),
        (&["--propagation-time", "15s"], "--propagation-time"),
        (
            &["--ca-life", "20m", "--leaf-life", "10m"],
            "--propagation-time",
        ),
        (&["--leaf-life", "400d"], "--leaf-life"),
        (&["--leaf-life", "50s"], "--leaf-life"),
        (&["--max-body", "100000000"], "--max-body"),
        (&["--validate-timeout", "0"], "timeout"),
        (&["--port", "8080"], "--port"),
        (&["--idle-timeout", "forever"], "forever"),
    ] {
        let error = read(arguments).unwrap_err();
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}

#[test]
fn every_flag_has_a_variable_and_a_help_text() {
    use clap::CommandFactory as _;
    let command = Cli::command();
    let subcommands = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments);
    let flags = subcommands.chain(command.get_arguments());
    for flag in flags.filter(|flag| !["help", "version"].contains(&flag.get_id().as_str())) {
        assert!(
            flag.get_env().is_some(),
            "{} has no variable",
            flag.get_id()
        );
        assert!(flag.get_help().is_some(), "{} has no help", flag.get_id());
    }
}
