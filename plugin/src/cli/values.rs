//! Values of flags: formats, thresholds, times, and the sentences kubectl users know for bad ones.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

/// An error text that is printed as it is, because people know it from kubectl.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Sentence(pub(crate) String);

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorMode {
    /// Colour on a terminal that can show it.
    Auto,
    /// Colour always.
    Always,
    /// Colour never.
    Never,
}

/// `--fail-on`: the lowest severity that makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Every finding.
    Info,
    /// No finding.
    Never,
}

/// `--min-severity`: the lowest severity that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MinSeverity {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Every finding.
    Info,
}

/// One `-o FORMAT[=FILENAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// What is written.
    pub(crate) format: Format,
    /// Where to; standard output when absent.
    pub(crate) file: Option<PathBuf>,
}

/// The formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: one block per finding.
    Human,
    /// One line per problem, nothing when clean.
    Short,
    /// The report as JSON.
    Json,
    /// The same as YAML.
    Yaml,
    /// `type/name` of each object with a finding.
    Name,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// `JUnit` XML, for test result views.
    Junit,
    /// Workflow commands that annotate a pull request.
    Github,
}

impl Format {
    const ALL: [(&'static str, Self); 8] = [
        ("github", Self::Github),
        ("human", Self::Human),
        ("json", Self::Json),
        ("junit", Self::Junit),
        ("name", Self::Name),
        ("sarif", Self::Sarif),
        ("short", Self::Short),
        ("yaml", Self::Yaml),
    ];
}

impl Output {
    /// Parses `FORMAT` or `FORMAT=FILENAME`.
    pub(crate) fn parse(text: &str) -> Result<Self, Sentence> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file)),
            None => (text, None),
        };
        let format = one_of(format, &Format::ALL)?;
        if file == Some("") {
            return Err(Sentence(format!(
                "error: the output {text:?} names no file"
            )));
        }
        Ok(Self {
            format,
            file: file.map(PathBuf::from),
        })
    }
}

/// `checks list -o`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListFormat {
    /// A JSON document.
    Json,
    /// A YAML document.
    Yaml,
    /// One code per line.
    Name,
}

impl ListFormat {
    /// Parses the value of `-o`.
    pub(crate) fn parse(text: &str) -> Result<Self, Sentence> {
        one_of(
            text,
            &[
                ("json", Self::Json),
                ("name", Self::Name),
                ("yaml", Self::Yaml),
            ],
        )
    }
}

/// `--dry-run`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DryRun {
    /// Write.
    #[default]
    None,
    /// Print only.
    Client,
    /// Ask the server what would happen.
    Server,
}

/// `-o` of commands that print one document
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentFormat {
    /// A JSON document.
    Json,
    /// A YAML document.
    Yaml,
}

impl DocumentFormat {
    /// Parses the value of `-o`.
    pub(crate) fn parse(text: &str) -> Result<Self, Sentence> {
        one_of(text, &[("json", Self::Json), ("yaml", Self::Yaml)])
    }
}

/// `formats` is sorted by name, because the sentence lists it.
fn one_of<T: Copy>(name: &str, formats: &[(&str, T)]) -> Result<T, Sentence> {
    if let Some((_, format)) = formats.iter().find(|(known, _)| *known == name) {
        return Ok(*format);
    }
    let known: Vec<&str> = formats.iter().map(|(known, _)| *known).collect();
    Err(Sentence(format!(
        "error: unable to match a printer suitable for the output format {name:?}, allowed formats are: {}",
        known.join(",")
    )))
}

/// Two results cannot share standard output.
pub(crate) fn one_standard_output(outputs: &[Output]) -> Result<(), String> {
    if outputs
        .iter()
        .filter(|output| output.file.is_none())
        .count()
        > 1
    {
        return Err(
            "error: only one output format can go to standard output; give the others a file, as in -o json=report.json"
                .into(),
        );
    }
    for (n, output) in outputs.iter().enumerate() {
        if let Some(file) = &output.file
            && outputs[..n]
                .iter()
                .any(|earlier| earlier.file.as_ref() == Some(file))
        {
            return Err(format!(
                "error: two output formats cannot share the file {}",
                file.display()
            ));
        }
    }
    Ok(())
}

/// `-v LEVEL`
pub(crate) fn level(text: &str) -> Result<u8, String> {
    text.parse()
        .map_err(|_| "the level is a number from 0 to 10".into())
}

/// `KEY=VALUE`
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must have the form KEY=VALUE".into()),
    }
}

/// `--now`: a time with offset, or a date, which means its midnight in UTC.
pub(crate) fn timestamp(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time);
    }
    text.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| {
            "must be a time such as 2026-03-31T12:00:00Z or a date such as 2026-03-31".into()
        })
}

/// `--request-timeout`: whole seconds, or a duration as Go writes it. Zero means no limit, as in kubectl
/// (k8s.io/client-go `tools/clientcmd/config.go: ParseTimeout`).
pub(crate) fn timeout(text: &str) -> Result<Duration, Sentence> {
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    seconds.or_else(|| go_duration(text)).ok_or_else(|| {
        Sentence(
            "error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed \
             by a corresponding time unit (e.g. 1s | 2m | 3h)"
                .into(),
        )
    })
}

/// A duration that Go accepts. jiff reads more spellings (`1 hour`, `2d`), which kubectl would refuse.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let only_go_units = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"hmsnu.".contains(&b) || !b.is_ascii());
    if !only_go_units || text.is_empty() {
        return None;
    }
    let duration: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a19_request_timeout() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("0", seconds(0)),
            ("30", seconds(30)),
            ("30s", seconds(30)),
            ("1m30s", seconds(90)),
            ("1.5h", seconds(5400)),
            ("300ms", Some(Duration::from_millis(300))),
            ("20us", Some(Duration::from_micros(20))),
            ("abc", None),
            ("", None),
            ("1d", None),
            ("1 minute", None),
            ("-1s", None),
            ("5x", None),
            ("s", None),
        ] {
            assert_eq!(timeout(text).ok(), expected, "{text:?}");
        }
        let Err(Sentence(sentence)) = timeout("abc") else {
            panic!("accepted")
        };
        assert!(
            sentence.starts_with("error: Invalid timeout value."),
            "{sentence}"
        );
        assert!(sentence.ends_with("(e.g. 1s | 2m | 3h)"), "{sentence}");
    }

    #[test]
    fn now_is_a_time_or_a_date() {
        let noon = timestamp("2026-03-31T12:00:00Z").unwrap();
        assert_eq!(timestamp("2026-03-31T14:00:00+02:00").unwrap(), noon);
        assert_eq!(
            timestamp("2026-03-31").unwrap().to_string(),
            "2026-03-31T00:00:00Z"
        );
        for bad in ["", "now", "2026-13-01", "12:00"] {
            assert!(timestamp(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a95_outputs() {
        let output = |text| Output::parse(text).unwrap();
        assert_eq!(
            output("json"),
            Output {
                format: Format::Json,
                file: None
            }
        );
        let to_file = output("sarif=out=1.sarif");
        assert_eq!(to_file.format, Format::Sarif);
        assert_eq!(to_file.file, Some(PathBuf::from("out=1.sarif")));
        assert!(Output::parse("json=").is_err());
        assert!(one_standard_output(&[output("json"), output("yaml")]).is_err());
        assert!(one_standard_output(&[output("json=a"), output("yaml=a")]).is_err());
        assert!(one_standard_output(&[output("json"), output("yaml=b"), output("name=c")]).is_ok());
        let Err(Sentence(sentence)) = Output::parse("xx") else {
            panic!("accepted")
        };
        assert_eq!(
            sentence,
            "error: unable to match a printer suitable for the output format \"xx\", allowed formats are: \
             github,human,json,junit,name,sarif,short,yaml"
        );
    }
}
