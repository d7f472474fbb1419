//! Wording that several rules share.

/// At most eight names, and how many more there are.
pub(super) fn names<T: std::fmt::Display>(names: &[T]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{name}`"))
        .collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 Pod`, `3 Pods`.
pub(super) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A span of time, as people say it: `40 s`, `7 min`, `3 h`, `2 d`.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        let all: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
        assert!(names(&all).ends_with("`n7` and 2 more"));
        assert_eq!(names(&all[..2]), "`n0`, `n1`");
        assert_eq!(count(1, "Pod"), "1 Pod");
        assert_eq!(span(119), "119 s");
        assert_eq!(span(3_700), "61 min");
        assert_eq!(span(90_000), "25 h");
    }
}
