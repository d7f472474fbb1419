//! Text that came from a cluster or a file, made safe for a terminal.
//!
//! Object names, annotations, event messages and HTTP bodies are written by whoever may write to the
//! cluster. Sent to a terminal as they are, they could move the cursor, change the window title or
//! reverse the reading order of a line (kubernetes/kubernetes#101695). Everything that does so is shown
//! in a visible form instead; nothing is dropped, so that two different names stay different.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes `text` safe to print. Line feeds and tabs stay, because multi-line text needs them.
///
/// ESC becomes `^[` and CR becomes `\r`, as kubectl prints them; other C0 controls use caret notation
/// and everything else that is invisible and acts on the line is shown as its code point.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && c != '\t' && acts_on_the_terminal(c))
}

/// As [`sanitize`], for text that must stay on its line: line feeds become `\n` and tabs `\t`.
pub(crate) fn sanitize_line(text: &str) -> Cow<'_, str> {
    escape(text, acts_on_the_terminal)
}

fn escape(text: &str, must_escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&must_escape) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(clean);
    for c in rest.chars() {
        if must_escape(c) {
            push_visible(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a character moves the cursor, changes the terminal or reorders the line.
pub(crate) fn acts_on_the_terminal(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Arabic letter mark, left-to-right and right-to-left marks
            '\u{061c}' | '\u{200e}' | '\u{200f}'
            // line and paragraph separators
            | '\u{2028}' | '\u{2029}'
            // embeddings, overrides and isolates
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\r' => out.push_str("\\r"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\u{7f}' => out.push_str("^?"),
        '\0'..='\u{1f}' => {
            out.push('^');
            // Caret notation names a control by the letter 64 code points above it.
            out.push(char::from(c as u8 + 64));
        }
        // Writing to a String cannot fail.
        _ => _ = write!(out, "<U+{:04X}>", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        for text in ["", "web-1", "größe ☃ 日本語", "a\nb\tc", "👩‍👩‍👧"] {
            assert!(
                matches!(sanitize(text), Cow::Borrowed(t) if t == text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a32_controls_become_visible() {
        assert_eq!(sanitize("a\x1b[31mred"), "a^[[31mred");
        assert_eq!(sanitize("good\rbad"), "good\\rbad");
        assert_eq!(sanitize("ding\x07"), "ding^G");
        assert_eq!(sanitize("\0\x08\x0b\x7f"), "^@^H^K^?");
        assert_eq!(sanitize("csi \u{9b}31m"), "csi <U+009B>31m");
        assert_eq!(sanitize("next\u{85}line"), "next<U+0085>line");
    }

    #[test]
    fn a32_bidi_controls_become_visible() {
        assert_eq!(sanitize("a\u{202e}b"), "a<U+202E>b");
        for c in ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain(['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}'])
        {
            let text = c.to_string();
            assert!(!sanitize(&text).contains(c), "{:04X}", u32::from(c));
        }
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(sanitize_line("a\nb\tc\r\n"), "a\\nb\\tc\\r\\n");
        assert_eq!(sanitize("a\nb"), "a\nb");
    }

    #[test]
    fn no_control_survives() {
        for n in 0..=0xff_u32 {
            let Some(c) = char::from_u32(n) else { continue };
            let text = c.to_string();
            let shown = sanitize_line(&text);
            assert!(!shown.chars().any(char::is_control), "{n:02x}");
        }
    }
}
