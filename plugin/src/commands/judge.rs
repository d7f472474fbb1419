//! What `check`, `lint` and `demo` share: configuration, the run itself, and where its results go.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use netdoctor_engine::config::{
    Allow, AllowedIn, Config, ConfigFile, names_rule, parse, parse_facts,
};
use netdoctor_engine::facts::StatedFacts;
use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::{Rule, Severity, Surface};
use netdoctor_engine::rules::RULES;

use crate::cli::ReportArgs;
use crate::cli::values::{FailOn, Format, MinSeverity, Output};
use crate::outcome::{Mode, Outcome};
use crate::render::{self, Style};
use crate::settings::Settings;

/// The file that is read without being named.
const DEFAULT_CONFIG: &str = ".netdoctor.yaml";

/// Configuration of a run: the file, then the flags, which win.
pub(crate) struct Judge {
    pub(crate) config: Config,
    pub(crate) fail_on: Option<Severity>,
    pub(crate) min_severity: Severity,
    pub(crate) exclude_paths: Vec<String>,
    pub(crate) facts: StatedFacts,
    /// About flags: unknown codes.
    pub(crate) warnings: Vec<String>,
}

impl Judge {
    /// Reads the configuration file and the flags.
    pub(crate) fn new(
        args: &ReportArgs,
        facts: Option<&Path>,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let file = config_file(settings.config.as_deref())?;
        let mut config = file.config;
        let mut warnings = Vec::new();
        config.only = args
            .only
            .iter()
            .map(|code| known(code, "--only", &mut warnings).into())
            .collect();
        config.skip = args
            .skip
            .iter()
            .map(|code| known(code, "--skip", &mut warnings).into())
            .collect();
        for text in &args.allow {
            config.allow.push(allow(text)?);
        }
        let facts = match facts {
            None => file.facts,
            Some(path) => {
                let text = read(path)?;
                parse_facts(&text)
                    .map_err(|error| anyhow::anyhow!("error: {}: {error}", path.display()))?
            }
        };
        Ok(Self {
            config,
            fail_on: args
                .fail_on
                .map_or_else(|| file.fail_on.unwrap_or(Some(Severity::Error)), threshold),
            min_severity: args
                .min_severity
                .map_or(file.min_severity.unwrap_or(Severity::Info), shown),
            exclude_paths: file.exclude_paths,
            facts,
            warnings,
        })
    }

    /// The rules that will run on a surface.
    pub(crate) fn rules(&self, surface: Surface) -> Vec<&'static Rule> {
        RULES
            .iter()
            .copied()
            .filter(|rule| rule.runs_on(surface) && self.config.selects(rule))
            .collect()
    }
}

/// An unknown code warns, and the run goes on with the others.
fn known<'a>(code: &'a str, flag: &str, warnings: &mut Vec<String>) -> &'a str {
    if !RULES.iter().any(|rule| names_rule(code, rule)) {
        warnings.push(format!("{flag} {code}: there is no such rule"));
    }
    code
}

fn config_file(named: Option<&Path>) -> anyhow::Result<ConfigFile> {
    let path = named.unwrap_or(Path::new(DEFAULT_CONFIG));
    if named.is_none() && !path.exists() {
        return Ok(ConfigFile::default());
    }
    let text = read(path)?;
    parse(&text).map_err(|error| anyhow::anyhow!("error: {}: {error}", path.display()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            anyhow::anyhow!("error: the path \"{}\" does not exist", path.display())
        } else {
            anyhow::anyhow!("error: {} cannot be read: {error}", path.display())
        }
    })
}

/// `CODE[/CASE][=TYPE/NAME[.NAMESPACE]]`
fn allow(text: &str) -> anyhow::Result<Allow> {
    let (rule, object) = text
        .split_once('=')
        .map_or((text, None), |(rule, object)| (rule, Some(object)));
    let (code, case) = rule
        .split_once('/')
        .map_or((rule, None), |(code, case)| (code, Some(case)));
    let mut allow = Allow {
        code: code.into(),
        case: case.map(Into::into),
        object: None,
        namespace: None,
        reason: None,
        until: None,
        place: AllowedIn::Flag,
    };
    if let Some(object) = object {
        let Some((kind, name)) = object.split_once('/') else {
            return Err(super::Usage(format!(
                "error: --allow {text}: `{object}` is not TYPE/NAME"
            ))
            .into());
        };
        let (name, namespace) = name
            .split_once('.')
            .map_or((name, None), |(name, ns)| (name, Some(ns)));
        allow.object = Some((
            kind.to_ascii_lowercase().into(),
            netdoctor_engine::config::glob(name).context("error: --allow")?,
        ));
        allow.namespace = namespace
            .map(netdoctor_engine::config::glob)
            .transpose()
            .context("error: --allow")?;
    }
    Ok(allow)
}

fn threshold(fail_on: FailOn) -> Option<Severity> {
    match fail_on {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Info => Some(Severity::Info),
        FailOn::Never => None,
    }
}

fn shown(severity: MinSeverity) -> Severity {
    match severity {
        MinSeverity::Error => Severity::Error,
        MinSeverity::Warning => Severity::Warning,
        MinSeverity::Info => Severity::Info,
    }
}

/// Refuses formats that cannot hold the result, before anything is read or written.
pub(crate) fn refuse(outputs: &[Output], mode: Mode) -> anyhow::Result<()> {
    match outputs
        .iter()
        .find_map(|output| render::refusal(output.format, mode))
    {
        Some(sentence) => Err(super::Usage(sentence.to_owned()).into()),
        None => Ok(()),
    }
}

/// Prints an outcome in every format that was asked for, and returns the exit code, which does not depend on them.
pub(crate) fn deliver(
    outcome: &Outcome<'_>,
    outputs: &[Output],
    warnings: &[String],
    settings: &Settings,
) -> anyhow::Result<u8> {
    for warning in warnings {
        talk(settings, &format!("Warning: {warning}"));
    }
    let style = Style {
        color: settings.stdout.color,
        unicode: settings.unicode,
        width: settings.width,
        is_terminal: settings.stdout.is_terminal,
        verbose: settings.verbosity > 0,
    };
    for output in outputs
        .iter()
        .filter_map(|output| Some((output.format, output.file.as_deref()?)))
    {
        to_file(output.0, output.1, outcome, style)?;
    }
    let standard = outputs
        .iter()
        .find(|output| output.file.is_none())
        .map_or(Format::Human, |output| output.format);
    let mut text = Vec::new();
    render::render(standard, outcome, style, &mut text)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()?;
    Ok(outcome.verdict.exit_code())
}

fn to_file(format: Format, path: &Path, outcome: &Outcome<'_>, style: Style) -> anyhow::Result<()> {
    let plain = Style {
        color: false,
        is_terminal: false,
        width: 120,
        ..style
    };
    let unwritable =
        |error| anyhow::anyhow!("error: {} cannot be written: {error}", path.display());
    let mut file = std::io::BufWriter::new(File::create(path).map_err(unwritable)?);
    render::render(format, outcome, plain, &mut file)?;
    file.flush().map_err(unwritable)
}

/// A line for people, on standard error.
pub(crate) fn talk(settings: &Settings, line: &str) {
    if !settings.quiet {
        _ = writeln!(
            std::io::stderr(),
            "{}",
            crate::terminal::sanitize_line(line)
        );
    }
}

/// The clock of a run: `--now`, else that of the input, else the wall clock.
pub(crate) fn clock(args: &ReportArgs, input: Option<Timestamp>) -> Timestamp {
    args.now.or(input).unwrap_or_else(Timestamp::now)
}

/// The kind of a target, or kubectl's sentence for one that does not exist.
pub(crate) fn kind_of(typed: &str) -> anyhow::Result<Kind> {
    Kind::from_type(typed).ok_or_else(|| {
        anyhow::anyhow!(
            "error: the server doesn't have a resource type \"{typed}\" that netdoctor reads"
        )
    })
}

/// Names of inputs, as they were typed.
pub(crate) fn names<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Vec<String> {
    paths.map(|path| path.display().to_string()).collect()
}
