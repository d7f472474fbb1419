//! `webhook …`

use super::{help, parse, usage};
use crate::cli::Command;
use crate::cli::values::DryRun;
use crate::cli::webhook::{
    CertsCommand, InstallArgs, LayoutArgs, Mode, ProfileName, WebhookCommand,
};
use netdoctor_manifests::Component;
use std::time::Duration;

fn webhook(line: &str) -> WebhookCommand {
    match parse(line) {
        Ok(Command::Webhook(args)) => args.command,
        other => panic!("{line}: {other:?}"),
    }
}

fn install(line: &str) -> Box<InstallArgs> {
    match webhook(line) {
        WebhookCommand::Install(args) => args,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_installation_as_it_is_typed() {
    let args = install("webhook install");
    assert!(!args.apply && !args.write.yes);
    assert_eq!(args.write.dry_run, DryRun::None);
    assert_eq!(args.test_namespace, "default");
    assert_eq!(args.wait.timeout, Duration::from_mins(3));
    let args = install(
        "-n guard webhook install --apply -y --profile=strict --replicas 3 --with mutate,monitoring --with=label-guard \
         --match rollouts.v1alpha1.argoproj.io --dry-run=server --timeout 30s",
    );
    assert!(args.apply && args.write.yes);
    assert_eq!(args.write.dry_run, DryRun::Server);
    let LayoutArgs {
        mode,
        profile,
        replicas,
        with,
        custom,
        ..
    } = &args.layout;
    assert_eq!(
        (*mode, *profile, *replicas),
        (Mode::Webhook, Some(ProfileName::Strict), Some(3))
    );
    assert_eq!(
        with[..],
        [
            Component::Mutate,
            Component::Monitoring,
            Component::LabelGuard
        ]
    );
    assert_eq!(custom[0].group, "argoproj.io");
    assert_eq!(args.global.connection.namespace.as_deref(), Some("guard"));
    let off = install("webhook install --apply=false --yes=true");
    assert!(!off.apply && off.write.yes);
}

#[test]
fn a_rotation_is_two_words_deep() {
    let WebhookCommand::Certs(args) = webhook("webhook certs -n guard rotate --yes") else {
        panic!()
    };
    let CertsCommand::Rotate(args) = args.command;
    assert!(args.write.yes);
    assert_eq!(args.global.connection.namespace.as_deref(), Some("guard"));
}

#[test]
fn wrong_parts_are_named() {
    let text = usage("webhook manifests --with nonsense");
    assert!(
        text.contains("must be one of: mutate, host-network"),
        "{text}"
    );
    let text = usage("webhook manifests --match rollouts");
    assert!(text.contains("PLURAL.VERSION.GROUP"), "{text}");
    let text = usage("webhook install --dry-run=maybe");
    assert!(
        text.contains("must be one of: none, client, server"),
        "{text}"
    );
    assert!(usage("webhook explode").contains("unknown command \"explode\""));
    assert!(usage("webhook install now").contains("unexpected argument \"now\""));
}

#[test]
fn a16_every_command_has_its_page() {
    for (line, words) in [
        ("webhook --help", "install"),
        ("webhook install -h", "--apply"),
        ("webhook status -h", "--test"),
        ("webhook disable -h", "app.kubernetes.io/name=netdoctor"),
        ("webhook uninstall -h", "--dry-run"),
        ("webhook certs rotate -h", "--yes"),
        ("help webhook manifests", "--mode"),
    ] {
        let text = help(line);
        assert!(text.contains(words), "{line}: {text}");
        assert!(text.contains("Examples:\n  # "), "{line}: {text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 110),
            "{text}"
        );
    }
}
