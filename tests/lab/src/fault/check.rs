//! What `check` has to say about a fault, which not every fault lets it know.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// What `check -A` has to report while the fault is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its first headline.
    pub headline: Headline,
    /// Codes that may be there as well: consequences that objects show, without a claim about the cause.
    pub symptoms: Vec<String>,
    /// By how much later it is judged, as `date -d` takes it: `2 hours` for instance. Ages decide some rules, and a test
    /// cannot wait.
    pub later: Option<String>,
    /// Whether it may read the logs of failing containers, where some causes stand and nowhere else.
    pub logs: bool,
}

/// The cause that `check` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Headline {
    /// The code of a rule.
    Code(String),
    /// No cause at all, for this reason.
    None(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Raw {
    headline: String,
    reason: Option<String>,
    #[serde(default)]
    symptoms: Vec<String>,
    later: Option<String>,
    #[serde(default)]
    logs: bool,
}

impl TryFrom<Raw> for Verdict {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let headline = match (raw.headline.as_str(), raw.reason) {
            ("none", Some(reason)) if !reason.trim().is_empty() => Headline::None(reason),
            ("none", _) => return Err("`headline = \"none\"` needs a `reason`".to_owned()),
            (code, None) => Headline::Code(expect_code(code)?),
            (_, Some(_)) => {
                return Err("`reason` says why there is no headline, and there is one".to_owned());
            }
        };
        for code in &raw.symptoms {
            expect_code(code)?;
        }
        if let Some(later) = &raw.later {
            let words: Vec<&str> = later.split(' ').collect();
            let unit = |unit: &str| ["minutes", "hours", "days"].contains(&unit);
            if !matches!(words[..], [number, word] if number.parse::<u32>().is_ok() && unit(word)) {
                return Err(format!(
                    "`later` is minutes, hours or days, \"2 hours\" for instance, not `{later}`"
                ));
            }
        }
        Ok(Self {
            headline,
            symptoms: raw.symptoms,
            later: raw.later,
            logs: raw.logs,
        })
    }
}

/// Three capital letters, three digits.
fn expect_code(text: &str) -> Result<String, String> {
    let (area, number) = text.split_at_checked(3).unwrap_or((text, ""));
    let sound = area
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        && number.len() == 3
        && number.chars().all(|c| c.is_ascii_digit());
    if sound {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no code of a rule"))
    }
}

/// An error or a warning of a report.
struct Finding<'a> {
    code: &'a str,
    message: &'a str,
    explained: bool,
}

impl Verdict {
    /// What is wrong with the JSON report of `check`, if something is.
    pub fn judge(&self, report: &str) -> Result<()> {
        let report: Value = serde_json::from_str(report).context("reading the report of check")?;
        let findings = report["findings"]
            .as_array()
            .context("the report has no findings")?;
        let findings: Vec<Finding<'_>> = findings.iter().filter_map(grave).collect();
        let all = || {
            let lines = findings
                .iter()
                .map(|finding| format!("\n  {}: {}", finding.code, finding.message));
            lines.collect::<String>()
        };
        let mut headlines = findings.iter().filter(|finding| !finding.explained);
        if let Headline::Code(code) = &self.headline {
            let first = headlines.next().map(|finding| finding.code);
            ensure!(
                first == Some(code),
                "check has to put {code} first and puts {}{}",
                first.unwrap_or("nothing"),
                all()
            );
        }
        // What another finding explains makes no claim of its own, unless there is to be no claim at all.
        let claims: Vec<&str> = match &self.headline {
            Headline::Code(_) => headlines.map(|finding| finding.code).collect(),
            Headline::None(_) => findings.iter().map(|finding| finding.code).collect(),
        };
        let surplus: Vec<&str> = claims
            .into_iter()
            .filter(|code| !self.symptoms.iter().any(|symptom| symptom == code))
            .collect();
        ensure!(
            surplus.is_empty(),
            "check also reports {}:{}",
            surplus.join(", "),
            all()
        );
        Ok(())
    }
}

/// The finding, if it is an error or a warning.
fn grave(finding: &Value) -> Option<Finding<'_>> {
    let severity = finding["severity"].as_str()?;
    ["error", "warning"].contains(&severity).then(|| Finding {
        code: finding["code"].as_str().unwrap_or_default(),
        message: finding["message"].as_str().unwrap_or_default(),
        explained: finding["explainedBy"].is_string(),
    })
}
