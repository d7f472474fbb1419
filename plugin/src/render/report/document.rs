//! The shape of the document. Domain types do not serialize: what is published must not change when they do.

use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) schema_version: &'static str,
    pub(super) metadata: Metadata,
    pub(super) tool: Tool,
    pub(super) spec: Spec<'a>,
    pub(super) summary: Summary,
    pub(super) status: Status,
    pub(super) findings: Vec<FindingView<'a>>,
    pub(super) not_checked: Vec<NotCheckedView<'a>>,
    pub(super) suppressed: Vec<SuppressedView<'a>>,
    pub(super) problems: Vec<ProblemView<'a>>,
    pub(super) warnings: &'a [String],
    pub(super) notes: &'a [String],
}

#[derive(Serialize)]
pub(super) struct Metadata {
    pub(super) now: String,
}

#[derive(Serialize)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    pub(super) command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) selector: Option<&'a str>,
    pub(super) targets: &'a [String],
    pub(super) inputs: &'a [String],
    pub(super) fail_on: &'static str,
    pub(super) min_severity: &'static str,
    pub(super) strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) demo: Option<&'a str>,
}

/// Numbers of findings and of rules.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) errors: usize,
    pub(super) warnings: usize,
    pub(super) infos: usize,
    pub(super) explained: usize,
    pub(super) suppressed: usize,
    pub(super) hidden: usize,
    pub(super) objects: usize,
    pub(super) checks: Checks,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checks {
    pub(super) total: usize,
    pub(super) passed: usize,
    pub(super) violated: usize,
    pub(super) unknown: usize,
    pub(super) skipped: usize,
    pub(super) not_applicable: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) verdict: &'static str,
    pub(super) exit_code: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingView<'a> {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) case: Option<&'static str>,
    pub(super) severity: &'static str,
    pub(super) confidence: &'static str,
    pub(super) subject: Object<'a>,
    pub(super) message: &'a str,
    pub(super) notes: &'a [String],
    pub(super) labels: Vec<LabelView<'a>>,
    pub(super) fixes: Vec<FixView<'a>>,
    pub(super) explains: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explained_by: Option<&'a str>,
    pub(super) fingerprint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelView<'a> {
    pub(super) object: Object<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<&'a str>,
    #[serde(flatten)]
    pub(super) region: Option<Region>,
    pub(super) pointer: &'a str,
    pub(super) text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) end_line: u32,
    pub(super) end_column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FixView<'a> {
    pub(super) class: &'static str,
    pub(super) title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<Object<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patch: Option<&'a json_patch::Patch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotCheckedView<'a> {
    pub(super) code: &'static str,
    pub(super) outcome: &'static str,
    pub(super) reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Object<'a>>,
    pub(super) count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SuppressedView<'a> {
    pub(super) code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) case: Option<&'static str>,
    pub(super) severity: &'static str,
    pub(super) subject: Object<'a>,
    pub(super) message: &'a str,
    pub(super) by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<&'a str>,
    pub(super) fingerprint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProblemView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<u32>,
    pub(super) message: &'a str,
    pub(super) fatal: bool,
}
