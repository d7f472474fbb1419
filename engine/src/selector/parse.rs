//! Selectors as people type them: `app=web,tier in (a,b),!canary` (`k8s.io/apimachinery/pkg/labels`, `Parse`).

use super::{LabelSelector, Requirement};
use crate::model::Text;

/// Parses what stands after `-l`.
///
/// # Errors
/// One sentence naming the part that cannot be read.
pub fn parse(text: &str) -> Result<LabelSelector, String> {
    let mut selector = LabelSelector::default();
    for part in parts(text) {
        let part = part.trim();
        if part.is_empty() {
            return Err(format!("the selector `{text}` has an empty part"));
        }
        selector.match_expressions.push(requirement(part)?);
    }
    Ok(selector)
}

/// Splits at commas outside parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!') {
        return make(part, key, "DoesNotExist", &[]);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return make(part, key, "NotIn", &[value]);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return make(part, key, "In", &[value]);
    }
    for (word, operator) in [(" notin ", "NotIn"), (" in ", "In")] {
        let Some((key, list)) = part
            .replacen('(', " (", 1)
            .split_once(word)
            .map(|(k, l)| (k.to_owned(), l.to_owned()))
        else {
            continue;
        };
        let list = list
            .trim()
            .strip_prefix('(')
            .and_then(|list| list.strip_suffix(')'));
        let Some(list) = list else {
            return Err(format!("`{part}` in the selector cannot be read"));
        };
        let values: Vec<&str> = list.split(',').collect();
        return make(part, &key, operator, &values);
    }
    make(part, part, "Exists", &[])
}

fn make(part: &str, key: &str, operator: &str, values: &[&str]) -> Result<Requirement, String> {
    let key = key.trim();
    let plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
    };
    let values: Vec<Text> = values.iter().map(|value| value.trim().into()).collect();
    if key.is_empty() || !plain(key) || !values.iter().all(|value| plain(value)) {
        return Err(format!("`{part}` in the selector cannot be read"));
    }
    Ok(Requirement {
        key: key.into(),
        operator: operator.into(),
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    #[test]
    fn every_form_that_kubectl_reads() {
        let web: Labels = [("app", "web"), ("tier", "a")].into_iter().collect();
        for (text, matches) in [
            ("app=web", true),
            ("app==web,tier=a", true),
            ("app!=web", false),
            ("tier in (a, b)", true),
            ("tier notin (a)", false),
            ("app", true),
            ("!app", false),
            ("!canary,app in (web)", true),
            ("tier in(b)", false),
        ] {
            assert_eq!(parse(text).unwrap().matches(&web), Some(matches), "{text}");
        }
    }

    #[test]
    fn mistakes_name_the_part() {
        for text in ["", "a=b,", "=b", "a in b", "a b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
