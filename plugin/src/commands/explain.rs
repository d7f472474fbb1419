//! `explain`: the page of a rule, without a cluster.

use std::io::Write as _;

use netdoctor_engine::near;
use netdoctor_engine::rule::{Action, Rule};
use netdoctor_engine::rules::{self, RULES};

use crate::cli::ExplainArgs;
use crate::settings::Settings;

/// Prints a page, or names the rule that was probably meant.
pub(crate) fn run(args: &ExplainArgs, settings: &Settings) -> anyhow::Result<u8> {
    let Some(rule) = rules::find(&args.rule) else {
        let near = nearest(&args.rule);
        let hint = near
            .map(|rule| format!("; did you mean {} ({})?", rule.code, rule.name))
            .unwrap_or_default();
        return Err(super::Usage(format!(
            "error: there is no rule {:?}{hint}\nSee 'kubectl netdoctor checks list' for all rules.",
            args.rule
        ))
        .into());
    };
    let mut out = std::io::stdout().lock();
    out.write_all(page(rule, settings).as_bytes())?;
    Ok(0)
}

fn page(rule: &Rule, settings: &Settings) -> String {
    let (bold, reset) = if settings.stdout.color {
        ("\u{1b}[1m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    let mut text = format!(
        "{bold}{} {}{reset}\n{}\n\n",
        rule.code, rule.name, rule.summary
    );
    let severity =
        |severity: Option<netdoctor_engine::rule::Severity>| severity.map_or("-", |s| s.as_str());
    let admit = rule.admit.map_or("-", Action::as_str);
    text.push_str(&format!(
        "check: {}   lint: {}   admission: {admit}   confidence: {}   since {}\n\n",
        severity(rule.check),
        severity(rule.lint),
        rule.confidence.as_str(),
        rule.since
    ));
    for line in rule.page.lines() {
        match line.strip_prefix("## ") {
            Some(heading) => text.push_str(&format!("{bold}{heading}{reset}\n")),
            None if line.starts_with("```") => {}
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// The one rule whose code or name is near what was typed.
fn nearest(typed: &str) -> Option<&'static Rule> {
    let upper = typed.to_ascii_uppercase();
    let code = near::names(&upper, RULES.iter().map(|rule| rule.code))
        .into_iter()
        .next();
    let name = || {
        near::names(
            &typed.to_ascii_lowercase(),
            RULES.iter().map(|rule| rule.name),
        )
        .into_iter()
        .next()
    };
    code.or_else(name).and_then(rules::find)
}
