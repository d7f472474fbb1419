//! What a selector that matches nothing may have meant (catalogue §1.8, near miss).

use crate::{
    context::Context,
    model::{ObjectRef, Text, Workload},
    selector::LabelSelector,
};

/// A pod or template that almost matches.
pub(super) struct Near {
    pub(super) object: ObjectRef,
    /// Where its labels are.
    pub(super) pointer: String,
    /// Key, value of the selector, value of the object: the one replacement after which the selector matches.
    pub(super) replace: Option<(Text, Text, Text)>,
    /// Hardly a coincidence.
    pub(super) telling: bool,
    note: String,
}

impl Near {
    pub(super) fn note(&self) -> String {
        self.note.clone()
    }
}

/// The near misses, one per value, the telling ones first; at most three.
pub(super) fn find(cx: &Context<'_>, namespace: &str, selector: &LabelSelector) -> Vec<Near> {
    let mut found: Vec<Near> = Vec::new();
    let mut add = |near: Near| {
        if !found.iter().any(|other| {
            other.note == near.note || (other.replace.is_some() && other.replace == near.replace)
        }) {
            found.push(near);
        }
    };
    for (labels, workload) in cx.carried(Some(namespace)) {
        let fits = selector
            .match_expressions
            .iter()
            .all(|wanted| wanted.matches(labels.get(&wanted.key)) == Some(true));
        let missing: Vec<(&str, &str)> = selector
            .match_labels
            .iter()
            .filter(|(key, value)| labels.get(key) != Some(value))
            .collect();
        if let ([(key, wanted)], true) = (&missing[..], fits) {
            let others = selector.match_labels.len() > 1;
            if let Some(near) = one_pair(workload, key, wanted, labels.get(key), others) {
                add(near);
            }
        }
    }
    for (labels, workload) in cx.carried(None) {
        let elsewhere = &*workload.meta().namespace != namespace;
        if elsewhere && selector.matches(labels) == Some(true) {
            add(Near {
                object: workload.reference(),
                pointer: workload.labels_pointer(),
                replace: None,
                telling: true,
                note: format!(
                    "{} carries these labels, in another namespace",
                    workload.reference()
                ),
            });
        }
    }
    found.sort_by_key(|near| !near.telling);
    if found.first().is_some_and(|near| near.telling) {
        found.retain(|near| near.telling);
    }
    found.truncate(3);
    found
}

fn one_pair(
    workload: Workload<'_>,
    key: &str,
    wanted: &str,
    found: Option<&str>,
    others: bool,
) -> Option<Near> {
    let object = workload.reference();
    let (note, replace, telling) = match found {
        Some(found) => {
            let telling = close(wanted, found);
            if !telling && !others {
                return None;
            }
            let note = format!("{object} has `{key}: {found}`");
            (
                note,
                telling.then(|| (key.into(), wanted.into(), found.into())),
                telling,
            )
        }
        // The value under another key, such as `app` and `app.kubernetes.io/name`.
        None => match workload
            .pod_labels()
            .iter()
            .find(|(_, value)| *value == wanted)
        {
            Some((other, value)) => (format!("{object} has `{other}: {value}`"), None, true),
            None if others => (
                format!("{object} has all of it but `{key}: {wanted}`"),
                None,
                false,
            ),
            None => return None,
        },
    };
    Some(Near {
        object,
        pointer: workload.labels_pointer(),
        replace,
        telling,
        note,
    })
}

/// Equal but for case and separators, or a slip of the pen: at most two edits, and at most one in three letters.
fn close(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.replace(['-', '_', '.'], "").to_lowercase();
    let (a, b) = (plain(a), plain(b));
    let edits = distance(&a, &b);
    edits <= 2 && edits * 3 <= a.len().max(b.len())
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one text into the other. Labels have at most 63 letters.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swap {
                    best.min(table[i - 2][j - 2] + 1)
                } else {
                    best
                }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::close;

    #[test]
    fn slips_are_close_and_other_words_are_not() {
        assert!(close("wbe", "web"));
        assert!(close("front-end", "frontend"));
        assert!(close("Payment_API", "payment-api"));
        assert!(close("chekcout", "checkout"));
        assert!(!close("db", "web"));
        assert!(!close("backend", "frontend"));
        assert!(!close("web-1", "api-1"));
    }
}
