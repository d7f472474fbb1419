use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::values::{ColorMode, FailOn, Format};
use super::*;

fn parse(line: &str) -> Result<Command, Stop> {
    let words = line
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(OsString::from);
    super::parse(std::iter::once(OsString::from("/opt/bin/kubectl-netdoctor")).chain(words))
        .map(|cli| cli.command)
}

fn check(line: &str) -> Box<CheckArgs> {
    match parse(line) {
        Ok(Command::Check(args)) => args,
        other => panic!("{line}: {other:?}"),
    }
}

fn lint(line: &str) -> Box<LintArgs> {
    match parse(line) {
        Ok(Command::Lint(args)) => args,
        other => panic!("{line}: {other:?}"),
    }
}

fn usage(line: &str) -> String {
    match parse(line) {
        Err(Stop::Usage(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn help(line: &str) -> String {
    match parse(line) {
        Err(Stop::Help(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn definition_is_consistent() {
    help::definition("kubectl netdoctor").debug_assert();
}

#[test]
fn without_a_command_it_checks() {
    assert!(check("").targets.is_empty());
    let args = check("svc/web deploy/db -n shop");
    assert_eq!(args.targets.len(), 2);
    assert_eq!(args.global.connection.namespace.as_deref(), Some("shop"));
    assert_eq!(
        check("-n shop svc web").targets,
        check("check svc/web -n shop").targets
    );
}

#[test]
fn a17_flags_stand_anywhere() {
    for line in [
        "-n shop --context dev check svc/web -o json",
        "check -n shop svc/web --context=dev -ojson",
        "-o json --context dev check -nshop svc/web",
        "--context dev svc/web -o=json -n=shop",
    ] {
        let args = check(line);
        assert_eq!(
            args.global.connection.namespace.as_deref(),
            Some("shop"),
            "{line}"
        );
        assert_eq!(
            args.global.connection.context.as_deref(),
            Some("dev"),
            "{line}"
        );
        assert_eq!(args.report.output[0].format, Format::Json, "{line}");
        assert_eq!(args.targets.len(), 1, "{line}");
    }
    let Ok(Command::Bundle(args)) = parse("-n a bundle --context b save -A out.json") else {
        panic!()
    };
    let BundleCommand::Save(args) = args.command else {
        panic!()
    };
    assert_eq!(args.file, Path::new("out.json"));
    assert!(args.all_namespaces);
    assert_eq!(args.global.connection.context.as_deref(), Some("b"));
}

#[test]
fn a17_every_connection_flag_is_accepted() {
    let line = "--kubeconfig k --context c --cluster cl --user u -n ns -s https://h:1 --token t --username un \
                --password pw --as me --as-group g --as-uid 7 --as-user-extra k=v --certificate-authority ca \
                --client-certificate cc --client-key ck --insecure-skip-tls-verify --tls-server-name sn \
                --request-timeout 5s --cache-dir cd --disable-compression -v 6 --color never -q";
    for line in [
        format!("{line} version"),
        format!("version {line}"),
        line.to_owned(),
    ] {
        let command = parse(&line).unwrap();
        let global = command.global();
        assert_eq!(
            global.connection.request_timeout,
            Some(Duration::from_secs(5))
        );
        assert!(
            global.connection.insecure_skip_tls_verify && global.connection.disable_compression
        );
        assert_eq!(global.connection.impersonate.as_deref(), Some("me"));
        assert_eq!(
            (global.verbosity, global.color, global.quiet),
            (Some(6), Some(ColorMode::Never), true)
        );
    }
}

#[test]
fn a20_switches_take_values() {
    assert!(check("-A").all_namespaces);
    assert!(check("--all-namespaces=true").all_namespaces);
    assert!(!check("-A --all-namespaces=false").all_namespaces);
    assert!(check("-A=false -A").all_namespaces);
    assert!(!check("-A=F").all_namespaces);
    let error = usage("-A=maybe");
    assert!(
        error.starts_with("error: invalid argument \"maybe\" for \"-A, --all-namespaces\" flag:"),
        "{error}"
    );
    // A switch takes no separate value: the word is an argument.
    assert_eq!(check("-A svc/web").targets.len(), 1);
}

#[test]
fn a20_short_flags() {
    for line in ["-v6", "-v=6", "-v 6", "--v=6", "--v 6"] {
        assert_eq!(check(line).global.verbosity, Some(6), "{line}");
    }
    for line in [
        "-oyaml",
        "-o=yaml",
        "-o yaml",
        "--output=yaml",
        "--output yaml",
    ] {
        assert_eq!(check(line).report.output[0].format, Format::Yaml, "{line}");
    }
    let args = check("-Aqn shop");
    assert!(args.all_namespaces && args.global.quiet);
    assert_eq!(args.global.connection.namespace.as_deref(), Some("shop"));
}

#[test]
fn a21_lists() {
    let args = check("--as-group a,b --as-group c --as-user-extra k=v,w --as-user-extra k=x");
    assert_eq!(args.global.connection.as_group, ["a,b", "c"]);
    assert_eq!(
        args.global.connection.as_user_extra[0],
        ("k".to_owned(), "v,w".to_owned())
    );
    assert_eq!(args.global.connection.as_user_extra.len(), 2);
    assert_eq!(
        lint("lint -f a,b -f c").filename,
        [Path::new("a"), Path::new("b"), Path::new("c")]
    );
    assert_eq!(
        check("--only SVC001,SVC002 --only HST001")
            .report
            .only
            .len(),
        3
    );
    assert_eq!(
        check("--ignore SVC001=svc/web --allow HST001").report.allow,
        ["SVC001=svc/web", "HST001"]
    );
    // Given before and after the command word, both count.
    assert_eq!(
        check("--as-group a check --as-group b")
            .global
            .connection
            .as_group,
        ["a", "b"]
    );
}

#[test]
fn the_last_of_several_values_wins() {
    assert_eq!(
        check("-n a -n b").global.connection.namespace.as_deref(),
        Some("b")
    );
    assert_eq!(
        check("--fail-on=info check --fail-on=never").report.fail_on,
        Some(FailOn::Never)
    );
}

#[test]
fn what_follows_a_flag_is_its_value() {
    assert_eq!(
        check("-n -A").global.connection.namespace.as_deref(),
        Some("-A")
    );
    assert_eq!(
        check("--token check svc/x")
            .global
            .connection
            .token
            .as_deref(),
        Some("check")
    );
}

#[test]
fn an_empty_connection_flag_is_unset() {
    assert_eq!(
        check("--kubeconfig= --context=").global.connection.context,
        None
    );
    assert_eq!(check("-n a --namespace=").global.connection.namespace, None);
    assert!(
        usage("--from=")
            .starts_with("error: invalid argument \"\" for \"--from\" flag: must not be empty")
    );
}

#[test]
fn lint_inputs() {
    assert_eq!(
        lint("lint -").inputs().collect::<Vec<_>>(),
        [Path::new("-")]
    );
    assert_eq!(
        lint("lint -f -").inputs().collect::<Vec<_>>(),
        [Path::new("-")]
    );
    assert_eq!(
        lint("lint a -f b").inputs().collect::<Vec<_>>(),
        [Path::new("b"), Path::new("a")]
    );
    assert!(lint("lint -Rf dir").recursive);
    assert_eq!(lint("lint -- -odd").paths, [Path::new("-odd")]);
    assert_eq!(
        usage("lint -f a -k b"),
        "error: only one of -f or -k can be specified\nSee 'kubectl netdoctor lint --help' for usage.\n"
    );
    assert!(usage("lint").starts_with("error: must specify one of -f and -k\n"));
    assert!(usage("lint -k b -R").starts_with("error: the -k flag can't be used with -f or -R\n"));
}

#[test]
#[cfg(unix)]
fn paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = std::ffi::OsStr::from_bytes(b"a\xff");
    let mut attached = OsString::from("--filename=");
    attached.push(odd);
    for argv in [
        vec!["lint".into(), "-f".into(), odd.to_owned()],
        vec!["lint".into(), attached],
    ] {
        let line = std::iter::once(OsString::from("netdoctor")).chain(argv);
        let Ok(Cli {
            command: Command::Lint(args),
        }) = super::parse(line)
        else {
            panic!()
        };
        assert_eq!(args.filename, [Path::new(odd)]);
    }
}

#[test]
fn a16_usage_errors() {
    let see = |path: &str| format!("\nSee '{path} --help' for usage.\n");
    for (line, sentence, path) in [
        (
            "--bogus",
            "error: unknown flag: --bogus",
            "kubectl netdoctor",
        ),
        (
            "check --bogus=1",
            "error: unknown flag: --bogus",
            "kubectl netdoctor check",
        ),
        (
            "check -Z",
            "error: unknown shorthand flag: 'Z' in -Z",
            "kubectl netdoctor check",
        ),
        (
            "explain SVC001 -f x",
            "error: unknown shorthand flag: 'f' in -f",
            "kubectl netdoctor explain",
        ),
        (
            "-kubeconfig x",
            "error: unknown shorthand flag: 'k' in -kubeconfig",
            "kubectl netdoctor",
        ),
        (
            "check -n",
            "error: flag needs an argument: 'n' in -n",
            "kubectl netdoctor check",
        ),
        (
            "check --context",
            "error: flag needs an argument: --context",
            "kubectl netdoctor check",
        ),
        (
            "explain",
            "error: CODE is required",
            "kubectl netdoctor explain",
        ),
        (
            "explain A B",
            "error: unexpected argument \"B\"",
            "kubectl netdoctor explain",
        ),
        (
            "bundle save",
            "error: FILENAME is required",
            "kubectl netdoctor bundle save",
        ),
        (
            "bundle sve x",
            "error: unknown command \"sve\" for \"kubectl netdoctor bundle\"",
            "kubectl netdoctor bundle",
        ),
        (
            "help nothing",
            "error: unknown help topic \"nothing\"",
            "kubectl netdoctor",
        ),
        (
            "--fail-on=high",
            "error: invalid argument \"high\" for \"--fail-on\" flag: must be one of: error, warning, info, never",
            "kubectl netdoctor",
        ),
        (
            "-v x",
            "error: invalid argument \"x\" for \"--v\" flag: the level is a number from 0 to 10",
            "kubectl netdoctor",
        ),
    ] {
        assert_eq!(usage(line), format!("{sentence}{}", see(path)), "{line}");
    }
    assert!(
        usage("-o xx").starts_with(
            "error: unable to match a printer suitable for the output format \"xx\", "
        )
    );
    assert!(usage("version -o sarif").contains("allowed formats are: json,yaml\n"));
    assert!(usage("--request-timeout abc").starts_with("error: Invalid timeout value. "));
    assert!(
        usage("lnt").starts_with("error: unknown command \"lnt\"\n\nDid you mean this?\n\tlint\n")
    );
}

#[test]
fn commands_that_do_not_exist_are_not_advertised() {
    let help = help("--help");
    for word in [
        "trace",
        "probe",
        "fix",
        "report",
        "monitor",
        "cleanup",
        "access",
        "completion",
    ] {
        assert!(!help.contains(&format!("  {word} ")), "{word}");
    }
}

#[test]
fn a16_help_everywhere() {
    for line in ["-h", "--help", "help"] {
        let text = help(line);
        assert!(
            text.starts_with("Find out why a Kubernetes network does not work"),
            "{text}"
        );
        assert!(text.contains("\nAvailable Commands:\n  check "), "{text}");
    }
    for command in [
        "check",
        "lint",
        "explain",
        "checks",
        "checks list",
        "bundle",
        "bundle save",
        "bundle show",
        "demo",
        "version",
        "options",
    ] {
        let text = help(&format!("{command} --help"));
        assert_eq!(text, help(&format!("help {command}")), "{command}");
        assert_eq!(text, help(&format!("-n x {command} -h")), "{command}");
        assert!(
            text.contains(&format!("\nUsage:\n  kubectl netdoctor {command}")),
            "{text}"
        );
        assert!(text.contains("\nExamples:\n  # "), "{text}");
        assert!(text.contains("\"kubectl netdoctor options\""), "{text}");
        assert!(
            !text.contains("--kubeconfig") && !text.contains("$ "),
            "{text}"
        );
    }
    for incomplete in ["checks", "bundle"] {
        assert_eq!(help(incomplete), help(&format!("{incomplete} --help")));
    }
}

#[test]
fn a15_flag_help_has_no_final_period() {
    fn visit(command: &clap::Command) {
        for arg in command.get_arguments() {
            let Some(text) = arg.get_help().map(ToString::to_string) else {
                continue;
            };
            assert!(!text.ends_with('.'), "{}: {text}", arg.get_id());
            assert!(
                text.starts_with(|c: char| c.is_uppercase()),
                "{}: {text}",
                arg.get_id()
            );
        }
        command.get_subcommands().for_each(visit);
    }
    visit(&help::definition("kubectl netdoctor"));
}

#[test]
fn a14_help_follows_the_name() {
    let Err(Stop::Help(text)) =
        super::parse(["/usr/bin/netdoctor".into(), "lint".into(), "-h".into()])
    else {
        panic!()
    };
    assert!(
        text.contains("\n  netdoctor lint -f deploy/ -R\n") && !text.contains("kubectl"),
        "{text}"
    );
    assert_eq!(
        help::program_name(Some("/x/kubectl-netdoctor.exe".as_ref())),
        "kubectl netdoctor"
    );
    assert_eq!(help::program_name(None), "netdoctor");
}

#[test]
fn options_lists_what_help_hides() {
    let text = help::options();
    for flag in [
        "--kubeconfig",
        "-n, --namespace",
        "--as-user-extra",
        "--request-timeout",
        "-v, --v",
        "--color",
    ] {
        assert!(text.contains(flag), "{flag}: {text}");
    }
}

#[test]
fn version_flag() {
    let Ok(Command::Version(args)) = parse("--version") else {
        panic!()
    };
    assert!(args.client);
}

mod webhook;
