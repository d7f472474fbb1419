use clap::{CommandFactory, Parser};
use netdoctor_lab::{Running, Spec};

use super::choice::{State, choose};
use super::*;

#[derive(Parser)]
#[command(name = "lab")]
struct Line {
    #[command(flatten)]
    lab: LabArgs,
}

fn parse(line: &str) -> Result<LabArgs, String> {
    let words = std::iter::once("lab").chain(line.split_whitespace());
    let line = Line::try_parse_from(words).map_err(|error| error.to_string());
    line.map(|line| line.lab)
}

fn refused(line: &str) -> String {
    match parse(line) {
        Ok(_) => panic!("`{line}` was accepted"),
        Err(error) => error,
    }
}

macro_rules! parsed {
    ($line:literal, $pattern:pat => $check:expr) => {
        let arguments = parse($line).unwrap();
        let $pattern = arguments.command else {
            panic!("`{}` is something else", $line)
        };
        $check;
    };
}

#[test]
fn clap_finds_no_fault_in_the_commands() {
    Line::command().debug_assert();
}

#[test]
fn up_takes_what_a_lab_can_be() {
    parsed!("up", LabCommand::Up(up) => {
        let default = Spec::default();
        assert_eq!(
            (up.nodes, up.overlay, up.proxy, up.dual_stack),
            (default.nodes, default.overlay, default.proxy, default.dual_stack)
        );
    });
    parsed!("up --nodes 5 --overlay host-gw --proxy nftables --dual-stack", LabCommand::Up(up) => {
        assert_eq!((up.nodes, up.overlay, up.proxy, up.dual_stack), (5, Overlay::HostGw, ProxyMode::Nftables, true));
    });
    assert!(refused("up --nodes 0").contains("1..=9"));
    let error = refused("up --overlay ipip");
    assert!(error.contains("vxlan, host-gw"), "{error}");
    let error = refused("up --proxy ipvs");
    assert!(error.contains("iptables, nftables"), "{error}");
}

#[test]
fn the_name_of_the_lab_stands_anywhere() {
    for line in ["--name two up", "up --name two", "status --name two"] {
        assert_eq!(parse(line).unwrap().name.as_deref(), Some("two"), "{line}");
    }
    assert!(refused("down --all --name two").contains("cannot be used with"));
}

#[test]
fn programs_get_their_arguments_untouched() {
    parsed!("kubectl -n kube-system get pods -o wide --help", LabCommand::Kubectl { arguments } => {
        assert_eq!(arguments, ["-n", "kube-system", "get", "pods", "-o", "wide", "--help"]);
    });
    parsed!("kubectl --help", LabCommand::Kubectl { arguments } => assert_eq!(arguments, ["--help"]));
    parsed!("kubectl exec -it web -- sh -c id", LabCommand::Kubectl { arguments } => {
        assert_eq!(arguments, ["exec", "-it", "web", "--", "sh", "-c", "id"]);
    });
    parsed!("netdoctor check -A -o json", LabCommand::Netdoctor { arguments } => {
        assert_eq!(arguments, ["check", "-A", "-o", "json"]);
    });
    parsed!("netdoctor --version", LabCommand::Netdoctor { arguments } => assert_eq!(arguments, ["--version"]));
    parsed!("shell node-2 ip -6 route", LabCommand::Shell { host, command } => {
        assert_eq!(host, HostName::Node(2));
        assert_eq!(command, ["ip", "-6", "route"]);
    });
}

#[test]
fn hosts_and_nodes_have_names() {
    for name in ["switch", "control-plane", "internet", "node-9"] {
        assert!(parse(&format!("shell {name}")).is_ok(), "{name}");
    }
    let error = refused("shell master");
    assert!(error.contains("control-plane, switch, internet"), "{error}");
    parsed!("break one-pair --node 2 --peer node-3", LabCommand::Break { fault, node, peer } => {
        assert_eq!((fault.as_str(), node, peer), ("one-pair", Some(2), Some(3)));
    });
    let error = refused("break one-pair --node switch");
    assert!(error.contains("switch is no node"), "{error}");
    assert!(refused("break one-pair --node 0").contains("node-0"));
}

#[test]
fn logs_and_tables() {
    parsed!("logs node-1 kubelet -f", LabCommand::Logs { host, component, follow } => {
        assert_eq!((host, component.as_deref(), follow), (Some(HostName::Node(1)), Some("kubelet"), true));
    });
    parsed!("witness -o json --fresh", LabCommand::Witness(witness) => {
        assert!(matches!(witness.output, Output::Json) && witness.fresh && !witness.columns);
    });
    parsed!("heal", LabCommand::Heal { fault } => assert_eq!(fault, None));
    assert!(refused("witness -o yaml").contains("table, json"));
    assert!(refused("brake tunnel-dropped").contains("similar subcommand exists: 'break'"));
}

fn labs(labs: &[(&str, bool)]) -> Vec<Running> {
    let running = |(name, alive): &(&str, bool)| Running {
        name: (*name).to_owned(),
        spec: None,
        alive: *alive,
        logs: None,
    };
    labs.iter().map(running).collect()
}

#[test]
fn the_only_running_lab_needs_no_name() {
    let one = labs(&[("lab", true), ("old", false)]);
    assert_eq!(choose(&one, None, State::Running).unwrap(), "lab");
    assert_eq!(choose(&one, Some("lab"), State::Running).unwrap(), "lab");
    // For logs and for clearing away, the dead one counts.
    assert_eq!(choose(&one, Some("old"), State::Any).unwrap(), "old");
    assert!(choose(&one, None, State::Any).is_err());
}

#[test]
fn who_means_no_running_lab_is_told_how_to_start_one() {
    let error = |there: &[(&str, bool)], name, state| {
        choose(&labs(there), name, state).unwrap_err().to_string()
    };
    assert_eq!(
        error(&[], None, State::Running),
        "no lab is running; `cargo xtask lab up` starts one"
    );
    assert_eq!(
        error(&[("one", true), ("two", true)], None, State::Running),
        "several labs are running; say which with --name: one, two"
    );
    assert_eq!(
        error(&[("one", true)], Some("two"), State::Running),
        "no lab `two` is running, only one; `cargo xtask lab up --name two` starts it"
    );
    assert_eq!(
        error(&[("two", false)], Some("two"), State::Running),
        "the lab `two` has died or is not ready yet; `cargo xtask lab up --name two` starts it anew"
    );
    assert_eq!(
        error(&[], Some("two"), State::Any),
        "no lab `two` is running; `cargo xtask lab up --name two` starts it"
    );
}
