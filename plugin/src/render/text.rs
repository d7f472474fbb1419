//! Words on a screen: colour, symbols with ASCII forms, wrapping, text of others made harmless.

use anstyle::{AnsiColor, Effects, Style as Ansi};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Style;
use crate::terminal::sanitize_line;

pub(super) const BOLD: Ansi = Ansi::new().effects(Effects::BOLD);
pub(super) const DIM: Ansi = Ansi::new().effects(Effects::DIMMED);
pub(super) const GREEN: Ansi = AnsiColor::Green.on_default();
pub(super) const CYAN: Ansi = AnsiColor::Cyan.on_default();
pub(super) const YELLOW: Ansi = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
pub(super) const RED: Ansi = AnsiColor::BrightRed.on_default().effects(Effects::BOLD);

/// State of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Passed,
    Open,
    Warning,
    Error,
}

impl Style {
    /// Text of anybody, on one line and harmless. Without Unicode the backticks go too, because such a surface may take them for a command.
    pub(super) fn line(self, text: &str) -> String {
        let text = sanitize_line(text);
        if self.unicode {
            text.into_owned()
        } else {
            text.replace('`', "")
        }
    }

    /// Text in a colour, where colour is wanted.
    pub(super) fn paint(self, ansi: Ansi, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("{ansi}{text}{ansi:#}")
        } else {
            text.to_owned()
        }
    }

    /// Between the parts of a line.
    pub(super) fn dot(self) -> &'static str {
        if self.unicode { " · " } else { " - " }
    }

    /// Before a number of repetitions.
    pub(super) fn times(self) -> &'static str {
        if self.unicode { "×" } else { "x" }
    }

    /// The symbol of a state, coloured.
    pub(super) fn mark(self, mark: Mark) -> String {
        let (unicode, ascii, ansi) = match mark {
            Mark::Passed => ("✔", "+", GREEN),
            Mark::Open => ("○", "o", DIM),
            Mark::Warning => ("!", "!", YELLOW),
            Mark::Error => ("✘", "x", RED),
        };
        self.paint(ansi, if self.unicode { unicode } else { ascii })
    }

    /// Paragraph with a first line that is already begun with `indent` columns; further lines hang below.
    pub(super) fn hang(self, text: &str, indent: usize) -> String {
        let room = self.width.saturating_sub(indent).max(MIN_COLUMNS);
        wrap(text, room).join(&format!("\n{}", " ".repeat(indent)))
    }
}

/// However narrow the terminal, words get that much.
const MIN_COLUMNS: usize = 20;

/// Lines of at most `width` columns. A word that is longer stays whole: names and commands must remain copyable.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Columns that text takes, colour aside.
pub(super) fn columns(text: &str) -> usize {
    if text.contains('\x1b') {
        let mut plain = String::new();
        let mut in_escape = false;
        for c in text.chars() {
            match c {
                '\x1b' => in_escape = true,
                'm' if in_escape => in_escape = false,
                c if !in_escape => plain.push(c),
                _ => {}
            }
        }
        return plain.width();
    }
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// A word as a shell takes it.
pub(super) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_text_keeps_long_words() {
        assert_eq!(wrap("a bc d", 3), ["a", "bc", "d"]);
        assert_eq!(wrap("a bc d", 4), ["a bc", "d"]);
        assert_eq!(
            wrap("x kubectl-get-nodes y", 4),
            ["x", "kubectl-get-nodes", "y"]
        );
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn columns_ignore_colour_and_count_wide_characters() {
        assert_eq!(columns("\x1b[1m\x1b[91mab\x1b[0m"), 2);
        assert_eq!(columns("日本"), 4);
    }

    #[test]
    fn shell_words() {
        assert_eq!(shell("web-1"), "web-1");
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell(""), "''");
    }
}
