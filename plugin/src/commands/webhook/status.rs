//! `webhook status`: does it run, is it reached, what does it match, how long does it last, what did it let through.

mod certificates;
mod configurations;
mod metrics;
mod refused;
mod replicas;

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::self_test::{self, Verdict};
use super::{layout, twice, with_cluster};
use crate::cli::values::DocumentFormat;
use crate::cli::webhook::StatusArgs;
use crate::cluster::{ApiError, Cluster};
use crate::render::Style;
use crate::render::status::{Line, State, human};
use crate::settings::Settings;

/// Looks, prints, and ends with what was found.
pub(super) fn run(args: &StatusArgs, settings: &Settings) -> anyhow::Result<u8> {
    let namespace = layout::namespace(&args.global);
    let lines = with_cluster(settings, async |cluster| {
        look(cluster, &namespace, args).await
    })?;
    let text = match args.output {
        None => human(&lines, style(settings)),
        Some(format) => document(&lines, format)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(exit_code(&lines))
}

fn style(settings: &Settings) -> Style {
    Style {
        color: settings.stdout.color,
        unicode: settings.unicode,
        width: settings.width,
        is_terminal: settings.stdout.is_terminal,
        verbose: settings.verbosity > 0,
    }
}

/// 1 when something is wrong, 3 when it could not be found out whether requests are judged, else 0.
fn exit_code(lines: &[Line]) -> u8 {
    let decides = |line: &&Line| matches!(line.about, "configuration" | "reachability");
    let open = lines
        .iter()
        .filter(decides)
        .any(|line| line.state == State::Unknown);
    if lines.iter().any(|line| line.state == State::Wrong) {
        1
    } else if open {
        3
    } else {
        0
    }
}

fn document(lines: &[Line], format: DocumentFormat) -> anyhow::Result<String> {
    let verdict = match exit_code(lines) {
        0 => "healthy",
        1 => "broken",
        _ => "unknown",
    };
    let document = json!({
        "apiVersion": "netdoctor.io/v1alpha1",
        "kind": "WebhookStatus",
        "lines": lines,
        "status": {"verdict": verdict, "exitCode": exit_code(lines)},
    });
    Ok(match format {
        DocumentFormat::Json => serde_json::to_string_pretty(&document)? + "\n",
        DocumentFormat::Yaml => serde_saphyr::to_string(&document)?,
    })
}

async fn look(cluster: &Cluster, namespace: &str, args: &StatusArgs) -> anyhow::Result<Vec<Line>> {
    // The server's clock: certificates end by it, not by the one of this machine.
    let version = cluster.get_bytes("/version").await?;
    let now = version.date.unwrap_or_else(Timestamp::now);
    let mut lines = Vec::new();
    let found = configurations::read(cluster).await?;
    let replicas = replicas::read(cluster, namespace).await?;
    if found.is_empty() && replicas.deployment.is_none() && replicas.readable {
        lines.push(Line::new(
            State::Wrong,
            "installation",
            format!("nothing of netdoctor is installed (looked in namespace {namespace}): kubectl netdoctor webhook install --apply"),
        ));
        return Ok(lines);
    }
    lines.extend(replicas.lines());
    lines.extend(found.lines(namespace));
    if found.has_webhook() {
        let deployment = replicas.deployment.as_ref();
        lines.extend(certificates::lines(cluster, namespace, &found, deployment, now).await?);
        lines.push(replicas::reachability(cluster, &replicas).await?);
        lines.extend(metrics::lines(cluster, &replicas, now).await?);
    }
    if found.has_both()
        && let Some(advice) = twice::advice(cluster, namespace, None).await?
    {
        lines.push(Line::new(State::Warning, "policies", advice.join(" ")));
    }
    lines.extend(configurations::namespaces(cluster, &found).await?);
    if args.test {
        lines.push(test(cluster, &args.test_namespace).await?);
    }
    Ok(lines)
}

/// The whole way, from the API server to the answer.
async fn test(cluster: &Cluster, namespace: &str) -> anyhow::Result<Line> {
    Ok(match self_test::run(cluster, namespace).await? {
        Verdict::Answered { code, refused, .. } => {
            let how = if refused { "refused" } else { "warned about" };
            Line::new(
                State::Good,
                "test",
                format!(
                    "a dry run in namespace {namespace} was answered: {code} {how} what it should"
                ),
            )
        }
        Verdict::Silent => Line::new(
            State::Wrong,
            "test",
            format!(
                "a dry run in namespace {namespace} was not answered: what a rule objects to would have been created"
            ),
        ),
        Verdict::Unreached(cause) => Line::new(
            State::Wrong,
            "test",
            format!("a dry run in namespace {namespace} was not answered by the webhook: {cause}"),
        ),
        Verdict::Undecided(reason) => Line::new(
            State::Unknown,
            "test",
            format!("a dry run in namespace {namespace} was not decided: {reason}"),
        ),
    })
}

/// A line for something that may not be read; other failures end the command.
fn unknown(
    error: ApiError,
    about: &'static str,
    what: &str,
    right: &str,
) -> Result<Line, ApiError> {
    match error {
        ApiError::Forbidden { .. } => Ok(Line::new(
            State::Unknown,
            about,
            format!("{what}: forbidden (try: kubectl auth can-i {right})"),
        )),
        error if error.ends_the_run() => Err(error),
        error => Ok(Line::new(State::Unknown, about, format!("{what}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_broken_from_unknown() {
        let line = |state, about| Line::new(state, about, "x");
        assert_eq!(
            exit_code(&[line(State::Good, "a"), line(State::Warning, "b")]),
            0
        );
        assert_eq!(exit_code(&[line(State::Unknown, "metrics")]), 0);
        assert_eq!(exit_code(&[line(State::Unknown, "reachability")]), 3);
        assert_eq!(
            exit_code(&[
                line(State::Unknown, "reachability"),
                line(State::Wrong, "a")
            ]),
            1
        );
    }
}
