//! The text format that every scraper and `promtool check metrics` reads.
//!
//! The library writes `OpenMetrics`, which differs in two places: there a counter is declared without the `_total` of its
//! samples, and the text ends with a marker. A family without labels gets braces that `promtool` would not write.

use prometheus_client::{encoding::text::encode_registry, registry::Registry};
use std::collections::BTreeSet;

pub(super) fn render(registry: &Registry) -> String {
    let mut open_metrics = String::new();
    // Writing to a `String` cannot fail; what was written until then is as much as can be said.
    _ = encode_registry(&mut open_metrics, registry);
    classic(&open_metrics)
}

fn classic(open_metrics: &str) -> String {
    let counters: BTreeSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        match declared(line) {
            Some((word, name, rest)) if counters.contains(name) => {
                text.push_str(&format!("# {word} {name}_total {rest}"));
            }
            _ => match line.split_once("{} ") {
                Some((name, value)) => text.extend([name, " ", value]),
                None => text.push_str(line),
            },
        }
        text.push('\n');
    }
    text
}

/// `# HELP name text` or `# TYPE name type`.
fn declared(line: &str) -> Option<(&str, &str, &str)> {
    let (word, rest) = line.strip_prefix("# ")?.split_once(' ')?;
    let (name, rest) = rest.split_once(' ')?;
    matches!(word, "HELP" | "TYPE").then_some((word, name, rest))
}
