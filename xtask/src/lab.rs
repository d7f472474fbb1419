//! `cargo xtask lab`: a real cluster on this machine, to look at and to break. `docs/lab.md` is its manual.

mod breaking;
mod choice;
mod enter;
mod life;
mod status;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use netdoctor_lab::requirements;
use netdoctor_lab::{HostName, Overlay, ProxyMode};

/// A real cluster of several nodes on this machine, whose network can be broken on purpose
#[derive(Args)]
#[command(after_help = "\
One after the other:
  cargo xtask lab up                          three nodes, Ready in ten seconds
  cargo xtask lab kubectl get pods -A -o wide
  cargo xtask lab netdoctor check -A
  cargo xtask lab faults                      what can be broken
  cargo xtask lab break tunnel-dropped
  cargo xtask lab witness                     what packets do now
  cargo xtask lab heal
  cargo xtask lab down

Needs root, and leaves nothing behind but the cache of what it has built. More in docs/lab.md.")]
pub(crate) struct LabArgs {
    /// Which lab. Unless stated, the only one there is, and `lab` for a new one
    #[arg(long, global = true, value_name = "LAB")]
    name: Option<String>,
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Subcommand)]
enum LabCommand {
    /// Start a lab, or do nothing if the same one runs. Installs and builds first what is missing
    Up(UpArgs),
    /// End a lab and clear away everything of it
    Down {
        /// All labs of this machine, also those of which only remains are left
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Show the labs of this machine: hosts, what runs on them, and what is broken
    Status,
    /// Open a shell on a host, or run a command there: `lab shell node-2 ip route`
    Shell {
        /// node-1 and so on, control-plane, switch, internet
        host: HostName,
        /// A program and its arguments, instead of a shell
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Run kubectl as the administrator of the lab; all arguments are kubectl's
    #[command(disable_help_flag = true)]
    Kubectl {
        /// Arguments of kubectl
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build our plugin and run it against the lab; all arguments are the plugin's
    #[command(disable_help_flag = true)]
    Netdoctor {
        /// Arguments of kubectl-netdoctor
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// List what can be broken; `*` marks what is
    Faults {
        /// Also say what each one imitates, and where that was reported
        #[arg(long, short = 'l')]
        long: bool,
    },
    /// Break the lab: `lab break tunnel-dropped`
    Break {
        /// A name that `lab faults` lists, with or without its area
        fault: String,
        /// On this node instead of the one in the fault's file, `2` or `node-2`
        #[arg(long, value_name = "NODE", value_parser = node)]
        node: Option<u8>,
        /// Between that node and this one
        #[arg(long, value_name = "NODE", value_parser = node)]
        peer: Option<u8>,
    },
    /// Undo what `lab break` did
    Heal {
        /// Only if it is this fault
        fault: Option<String>,
    },
    /// Measure what packets do and print the table that fault files expect
    Witness(WitnessArgs),
    /// Load the images of a `docker save` archive into every node
    Load {
        /// The archive
        #[arg(value_hint = ValueHint::FilePath)]
        image: PathBuf,
    },
    /// Show a log, or list them: `lab logs node-1 kubelet -f`
    Logs {
        /// node-1 and so on, control-plane, internet
        host: Option<HostName>,
        /// kubelet, containerd, kube-proxy, etcd, kube-apiserver and so on
        component: Option<String>,
        /// Go on with what is written to it from now on
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Args)]
struct UpArgs {
    /// How many nodes run pods
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// How packets between pods of different nodes travel
    #[arg(long, default_value = "vxlan", value_parser = words::<Overlay>(&["vxlan", "host-gw"]))]
    overlay: Overlay,
    /// How kube-proxy programs Services
    #[arg(long, default_value = "iptables", value_parser = words::<ProxyMode>(&["iptables", "nftables"]))]
    proxy: ProxyMode,
    /// IPv6 beside IPv4
    #[arg(long)]
    dual_stack: bool,
}

#[derive(Args)]
struct WitnessArgs {
    /// `table`, or `json` to store and compare
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Try Services that are made now, instead of those that were there before. A dead kube-proxy shows with them only
    #[arg(long)]
    fresh: bool,
    /// Say what the columns mean, and measure nothing
    #[arg(long)]
    columns: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// One of these words, listed in the help.
fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err = anyhow::Error> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// `2` or `node-2`.
fn node(text: &str) -> Result<u8> {
    let name = if text.starts_with(|c: char| c.is_ascii_digit()) {
        format!("node-{text}")
    } else {
        text.to_owned()
    };
    match name.parse()? {
        HostName::Node(number) => Ok(number),
        host => anyhow::bail!("{host} is no node"),
    }
}

pub(crate) fn run(arguments: LabArgs) -> Result<()> {
    let name = arguments.name.as_deref();
    match arguments.command {
        // They only read files.
        LabCommand::Faults { long } => return breaking::list(name, long),
        LabCommand::Witness(WitnessArgs { columns: true, .. }) => return breaking::columns(),
        _ => requirements::privileges()?,
    }
    match arguments.command {
        LabCommand::Up(up) => life::up(name, &up),
        LabCommand::Down { all } => life::down(name, all),
        LabCommand::Status => status::show(name),
        LabCommand::Shell { host, command } => {
            enter::shell(&choice::running(name)?, host, &command)
        }
        LabCommand::Kubectl { arguments } => enter::kubectl(&choice::running(name)?, &arguments),
        LabCommand::Netdoctor { arguments } => {
            enter::netdoctor(&choice::running(name)?, &arguments)
        }
        LabCommand::Faults { long } => breaking::list(name, long),
        LabCommand::Break { fault, node, peer } => {
            breaking::inject(&choice::running(name)?, &fault, node, peer)
        }
        LabCommand::Heal { fault } => breaking::heal(&choice::running(name)?, fault.as_deref()),
        LabCommand::Witness(witness) => breaking::witness(&choice::running(name)?, &witness),
        LabCommand::Load { image } => life::load(&choice::running(name)?, &image),
        LabCommand::Logs {
            host,
            component,
            follow,
        } => enter::logs(name, host, component.as_deref(), follow),
    }
}

/// Prints a text. That nobody reads it to the end, as in `lab faults | head`, is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("printing"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
