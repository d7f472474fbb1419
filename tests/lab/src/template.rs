//! Files with gaps: `{{name}}` stands for a value.

/// Fills the gaps. A name that the text does not have, or a gap that nobody fills, shows in the tests of this crate.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{{{name}}}}}"), value)
        })
}

/// Whether a gap is left. Go's templates, which look the same, have a space or a dot in theirs.
#[cfg(test)]
pub(crate) fn has_gap(text: &str) -> bool {
    text.split("{{")
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_filled() {
        assert_eq!(
            fill("{{a}}-{{b}}-{{a}}", &[("a", "1"), ("b", "2")]),
            "1-2-1"
        );
        assert!(has_gap(&fill("{{a}}{{b}}", &[("a", "1")])));
        assert!(!has_gap("\"{{ .Zone }}\""));
    }
}
