//! Lines about the health of something, one statement each.

use serde::Serialize;

use super::Style;
use super::text::Mark;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Good,
    /// Switched off, or not there and not needed.
    Off,
    /// It could not be found out.
    Unknown,
    /// It works, and somebody should look.
    Warning,
    /// It does not work.
    Wrong,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// How it is.
    pub(crate) state: State,
    /// What it is about, for programs.
    pub(crate) about: &'static str,
    /// For people: lower case, no period.
    pub(crate) text: String,
}

impl Line {
    /// A statement.
    pub(crate) fn new(state: State, about: &'static str, text: impl Into<String>) -> Self {
        Self {
            state,
            about,
            text: text.into(),
        }
    }
}

/// The lines for people.
pub(crate) fn human(lines: &[Line], style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        let mark = match line.state {
            State::Good => Mark::Passed,
            State::Off | State::Unknown => Mark::Open,
            State::Warning => Mark::Warning,
            State::Wrong => Mark::Error,
        };
        let words = style.hang(&style.line(&line.text), 2);
        text.push_str(&format!("{} {words}\n", style.mark(mark)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_behind_its_mark() {
        let style = Style {
            color: false,
            unicode: false,
            width: 40,
            is_terminal: false,
            verbose: false,
        };
        let lines = [
            Line::new(State::Good, "a", "deployment 2/2 ready"),
            Line::new(State::Unknown, "b", "b\u{1b}[2Jad"),
            Line::new(
                State::Wrong,
                "c",
                "one two three four five six seven eight nine",
            ),
        ];
        assert_eq!(
            human(&lines, style),
            "+ deployment 2/2 ready\no b^[[2Jad\nx one two three four five six seven\n  eight nine\n"
        );
    }
}
