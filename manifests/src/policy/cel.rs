//! Pieces of CEL that several policies use.

use netdoctor_engine::rule::Rule;
use serde_json::{Value, json};

/// How messages name the object: `Deployment shop/web`.
pub(super) const SUBJECT: &str = "request.kind.kind + ' ' + request.namespace + '/' + \
    (has(object.metadata.name) ? object.metadata.name : has(object.metadata.generateName) ? object.metadata.generateName + '*' : '')";

/// `shop/web`, as messages name Services and autoscalers.
pub(super) const PLACE: &str = "request.namespace + '/' + object.metadata.name";

/// A string.
pub(super) fn text(words: &str) -> String {
    // Rust's escapes are CEL's, as far as sentences need any.
    format!("{words:?}")
}

/// A list of strings.
pub(super) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(text).collect();
    format!("[{}]", words.join(", "))
}

pub(super) fn in_parentheses(expression: &str) -> String {
    format!("({expression})")
}

/// The message of a rule on surfaces without backticks: `CODE: fact. Fix: what helps.` Each part is CEL.
pub(super) fn message(code: &str, fact: &str, fix: &str) -> String {
    format!(
        "{} + {fact} + \". Fix: \" + {fix} + \".\"",
        text(&format!("{code}: "))
    )
}

/// One finding. The values of a map must be of one type, and a field of the object is of none.
pub(super) fn finding(key: &str, text: &str) -> String {
    format!("{{'key': string({key}), 'text': string({text})}}")
}

/// One finding, or none, where there are no containers to go through.
pub(super) fn only_if(condition: &str, key: &str, text: &str) -> String {
    format!("[({condition}) ? [{}] : []]", finding(key, text))
}

/// A field that may be absent.
pub(super) fn or(owner: &str, field: &str, otherwise: &str) -> String {
    format!("(has({owner}.{field}) ? {owner}.{field} : {otherwise})")
}

/// A protocol; an empty one counts as TCP, as in the API.
pub(super) fn protocol(port: &str) -> String {
    format!("(has({port}.protocol) && {port}.protocol != '' ? {port}.protocol : 'TCP')")
}

/// `prefix` is empty for the object and `old` for the one before.
pub(super) fn pod_variables(prefix: &'static str, object: &str) -> Vec<(&'static str, String)> {
    let [pod, all, serving, labels] = if prefix.is_empty() {
        ["pod", "all", "serving", "labels"]
    } else {
        ["oldPod", "oldAll", "oldServing", "oldLabels"]
    };
    let template = |more: &str| {
        format!(
            "request.kind.kind == 'CronJob' ? (has({object}.spec.jobTemplate.spec.template{more}) ? {object}.spec.jobTemplate.spec.template{more} : dyn({{}})) : \
             (has({object}.spec.template) && has({object}.spec.template{more}) ? {object}.spec.template{more} : dyn({{}}))"
        )
    };
    let there = |expression: String| format!("!has({object}.spec) ? dyn({{}}) : {expression}");
    let of = |list: &str| format!("(has(variables.{pod}.{list}) ? variables.{pod}.{list} : [])");
    vec![
        (
            pod,
            there(format!(
                "request.kind.kind == 'Pod' ? {object}.spec : {}",
                template(".spec")
            )),
        ),
        (all, format!("{} + {}", of("containers"), of("initContainers"))),
        (
            serving,
            format!(
                "{} + {}.filter(c, has(c.restartPolicy) && c.restartPolicy == 'Always')",
                of("containers"),
                of("initContainers")
            ),
        ),
        (
            labels,
            there(format!(
                "request.kind.kind == 'Pod' ? (has({object}.metadata.labels) ? {object}.metadata.labels : dyn({{}})) : {}",
                // `metadata` of a template may be absent altogether.
                template(".metadata.labels").replace(
                    &format!("has({object}.spec.template) && has({object}.spec.template.metadata.labels)"),
                    &format!("has({object}.spec.template) && has({object}.spec.template.metadata) && has({object}.spec.template.metadata.labels)"),
                )
            )),
        ),
    ]
}

/// Whether Pods run Windows, where host networking means something else.
pub(super) fn windows(pod: &str) -> String {
    format!(
        "(has({pod}.os) && has({pod}.os.name) && {pod}.os.name == 'windows' \
         || has({pod}.nodeSelector) && ['kubernetes.io/os', 'beta.kubernetes.io/os'].exists(k, k in {pod}.nodeSelector && {pod}.nodeSelector[k] == 'windows'))"
    )
}

/// Whether Pods share the node's network.
pub(super) fn host_network(pod: &str) -> String {
    format!("(has({pod}.hostNetwork) && {pod}.hostNetwork)")
}

/// A day that there is: `timestamp()` fails for any other, and an expression that fails decides nothing.
const DATE: &str = "(([0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])\
    |(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)";

/// The annotation that allows a finding: a reason, perhaps with the last day on which it holds. There is no clock in CEL:
/// whoever manages a field left the time of the last change, which is the time of this request.
pub(super) fn not_allowed(rule: &Rule, case: Option<&str>) -> Value {
    // Codes count in any case, names of rules and of cases as they are spelt.
    let case = case.map_or_else(String::new, |case| format!("([.]{case})?"));
    let key = format!(
        "'^netdoctor[.]io/allow-((?i:{})|{}){case}$'",
        rule.code, rule.name
    );
    let value = "object.metadata.annotations[k]";
    let date = format!("{value}.find('[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')");
    let expired = format!(
        "has(object.metadata.managedFields) && object.metadata.managedFields.exists(f, has(f.time) && timestamp(f.time) - duration('24h') >= timestamp({date} + 'T00:00:00Z'))"
    );
    let dated = format!("{value}.matches('^\\\\s*until\\\\s+{DATE}\\\\s*:')");
    let until = format!("{value}.matches('^\\\\s*until\\\\s')");
    let reason = format!("{value}.matches(':\\\\s*\\\\S')");
    let expression = format!(
        "object == null || !has(object.metadata) || !has(object.metadata.annotations)\n\
         || !object.metadata.annotations.exists(k, k.matches({key})\n  && ({dated} ? {reason} && !({expired}) : !{until} && {value}.matches('\\\\S')))"
    );
    json!({"name": "not-allowed-by-annotation", "expression": expression})
}
