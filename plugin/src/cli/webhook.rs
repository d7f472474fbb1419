//! `webhook`: the life of the admission webhook, from its manifests to its removal.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::GlobalArgs;
use super::values::{self, DocumentFormat, DryRun};

/// `webhook COMMAND`
#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    #[command(subcommand)]
    pub(crate) command: WebhookCommand,
}

/// What can be done with the webhook.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Print the objects of the webhook
    Manifests(Box<ManifestsArgs>),
    /// Print the objects of the webhook, or install them step by step
    Install(Box<InstallArgs>),
    /// Show whether the webhook is reached, and how long its certificates last
    Status(Box<StatusArgs>),
    /// Take the webhook out of the way at once, even when it is dead
    Disable(Box<DisableArgs>),
    /// Remove the webhook and everything that belongs to it
    Uninstall(Box<UninstallArgs>),
    /// Look after the certificates of the webhook
    Certs(CertsArgs),
}

impl WebhookCommand {
    /// The flags that every command has.
    pub(crate) fn global(&self) -> &GlobalArgs {
        match self {
            Self::Manifests(args) => &args.global,
            Self::Install(args) => &args.global,
            Self::Status(args) => &args.global,
            Self::Disable(args) => &args.global,
            Self::Uninstall(args) => &args.global,
            Self::Certs(CertsArgs {
                command: CertsCommand::Rotate(args),
            }) => &args.global,
        }
    }
}

/// `webhook manifests`
#[derive(Debug, Args)]
pub(crate) struct ManifestsArgs {
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Output format: json or yaml. Default: yaml
    #[arg(short = 'o', long, value_name = "FORMAT", value_parser = DocumentFormat::parse)]
    pub(crate) output: Option<DocumentFormat>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `webhook install`
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Install instead of printing: dry run, server first, one namespace, a live test, then all namespaces
    #[arg(long)]
    pub(crate) apply: bool,
    /// The namespace of the live test, in which nothing is created
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) test_namespace: String,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `webhook status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Also ask the API server, in a dry run, to create something that the webhook must answer
    #[arg(long)]
    pub(crate) test: bool,
    /// The namespace of --test, in which nothing is created
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) test_namespace: String,
    /// Output format: json or yaml
    #[arg(short = 'o', long, value_name = "FORMAT", value_parser = DocumentFormat::parse)]
    pub(crate) output: Option<DocumentFormat>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `webhook disable`
#[derive(Debug, Args)]
pub(crate) struct DisableArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `webhook uninstall`
#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// `webhook certs COMMAND`
#[derive(Debug, Args)]
pub(crate) struct CertsArgs {
    #[command(subcommand)]
    pub(crate) command: CertsCommand,
}

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Begin the rotation of the authority
    Rotate(Box<RotateArgs>),
}

/// `webhook certs rotate`
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Consent of commands that write.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Change nothing: client prints what would be done, server also asks the API server. Default: none
    #[arg(
        long,
        value_name = "STRATEGY",
        hide_possible_values = true,
        default_value = "none",
        hide_default_value = true
    )]
    pub(crate) dry_run: DryRun,
}

/// Patience of commands that wait.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Longest time for each wait (e.g. 30s, 2m)
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = values::timeout)]
    pub(crate) timeout: Duration,
}

/// What the webhook consists of.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LayoutArgs {
    /// What enforces the rules: webhook, or policy for policies of the API server itself. Default: webhook
    #[arg(
        long,
        value_name = "MODE",
        hide_possible_values = true,
        default_value = "webhook",
        hide_default_value = true
    )]
    pub(crate) mode: Mode,
    /// How strict: advisory, guarded or strict. Default: advisory
    #[arg(long, value_name = "PROFILE", hide_possible_values = true)]
    pub(crate) profile: Option<ProfileName>,
    /// The image of the server
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Replicas of the server. Default: 2
    #[arg(long, value_name = "NUMBER")]
    pub(crate) replicas: Option<u32>,
    /// Port of the container. Default: 10250
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// What happens to requests while nobody answers: Ignore or Fail. Default: Ignore
    #[arg(long, value_name = "POLICY", hide_possible_values = true)]
    pub(crate) failure_policy: Option<FailurePolicyName>,
    /// Who issues the certificate: self-managed, cert-manager or files. Default: self-managed
    #[arg(long, value_name = "ISSUER", hide_possible_values = true)]
    pub(crate) certificates: Option<CertificatesName>,
    /// Add or leave out a part: mutate, host-network, control-plane, no-auditor, no-priority,
    /// no-priority-quota, monitoring, label-guard, deletions or scale. Repeatable
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = part)]
    pub(crate) with: Vec<netdoctor_manifests::Component>,
    /// Also judge objects of this resource, which has a Pod template (e.g. rollouts.v1alpha1.argoproj.io).
    /// Repeatable
    #[arg(long = "match", value_name = "RESOURCE", value_delimiter = ',', value_parser = custom)]
    pub(crate) custom: Vec<netdoctor_manifests::CustomWorkload>,
}

/// `--mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Mode {
    /// A server that the API server asks.
    #[default]
    Webhook,
    /// Policies that the API server evaluates.
    Policy,
}

/// `--profile`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub(crate) enum ProfileName {
    Advisory,
    Guarded,
    Strict,
}

/// `--failure-policy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailurePolicyName {
    /// Requests pass.
    #[value(name = "Ignore", alias = "ignore")]
    Ignore,
    /// Requests are refused.
    #[value(name = "Fail", alias = "fail")]
    Fail,
}

/// `--certificates`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CertificatesName {
    /// The replicas themselves.
    SelfManaged,
    /// cert-manager.
    CertManager,
    /// The user.
    Files,
}

/// The parts that `--with` names; the others have flags of their own.
const PARTS: [netdoctor_manifests::Component; 10] = {
    use netdoctor_manifests::Component as C;
    [
        C::Mutate,
        C::HostNetwork,
        C::ControlPlane,
        C::NoAuditor,
        C::NoPriority,
        C::NoPriorityQuota,
        C::Monitoring,
        C::LabelGuard,
        C::Deletions,
        C::Scale,
    ]
};

fn part(text: &str) -> Result<netdoctor_manifests::Component, String> {
    let known = PARTS.into_iter().find(|part| part.as_str() == text);
    known.ok_or_else(|| {
        let names = PARTS.map(netdoctor_manifests::Component::as_str);
        format!("must be one of: {}", names.join(", "))
    })
}

fn custom(text: &str) -> Result<netdoctor_manifests::CustomWorkload, String> {
    text.parse()
        .map_err(|error: netdoctor_manifests::OptionsError| error.to_string())
}
