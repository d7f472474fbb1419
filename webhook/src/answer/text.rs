//! Sentences for people who see one line of ASCII: the words of `lint` and `explain`, without their marks.

use super::line;
use crate::admit::judge::Said;
use json_patch::Patch;
use netdoctor_engine::finding::Finding;

/// Longest warning and denial, in bytes.
pub(super) const LONGEST: usize = 256;

/// `CODE: message (but). Fix: title (line).`, as much of it as fits.
pub(super) fn sentence(said: &Said, line: Option<&str>) -> String {
    let finding = &said.finding;
    let but = said.but.map(|but| format!(" ({but})")).unwrap_or_default();
    let fact = ascii(&format!("{}: {}{but}.", finding.rule.code, finding.message));
    let Some(fix) = finding.fixes.first() else {
        return cut(fact, LONGEST);
    };
    let title = ascii(&fix.title);
    let whole = line.map(|line| format!("{fact} Fix: {title} ({line})."));
    let short = format!("{fact} Fix: {title}.");
    let bare = format!(
        "{fact} See: kubectl netdoctor explain {}",
        finding.rule.code
    );
    [whole, Some(short), Some(bare)]
        .into_iter()
        .flatten()
        .find(|text| text.len() <= LONGEST)
        .unwrap_or_else(|| cut(fact, LONGEST))
}

/// Whether the sentence holds the line that fixes it.
pub(super) fn holds(sentence: &str, line: &str) -> bool {
    sentence.contains(line)
}

/// The lines that fix a finding, by themselves: all of them, for half a fix is none. Where they do not fit, how to see them.
pub(super) fn fixes(finding: &Finding, patch: &Patch, room: usize) -> Vec<String> {
    let prefix = format!("{} fix: ", finding.rule.code);
    let lines = line::within(patch, LONGEST - prefix.len()).filter(|lines| lines.len() <= room);
    match lines {
        Some(lines) => lines.iter().map(|line| format!("{prefix}{line}")).collect(),
        None if room == 0 => Vec::new(),
        None => vec![format!(
            "{prefix}kubectl netdoctor lint --with-cluster -f FILE shows the patch"
        )],
    }
}

/// Printable ASCII on one line; backticks are marks of other surfaces.
pub(super) fn ascii(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '`')
        .map(|c| match c {
            ' '..='~' => c,
            '\n' | '\r' | '\t' => ' ',
            '\u{2013}' | '\u{2014}' => '-',
            '\u{2018}' | '\u{2019}' => '\'',
            '\u{201c}' | '\u{201d}' => '"',
            _ => '?',
        })
        .collect()
}

/// At most `longest` bytes of ASCII.
pub(super) fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(longest - 3);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_that_a_header_could_not_carry() {
        assert_eq!(
            ascii("`a`\n\"b\" \u{e4}\u{7}\u{2026}\u{2014}\t\u{1F980}"),
            "a \"b\" ???- ?"
        );
        assert_eq!(cut("x".repeat(300), LONGEST).len(), LONGEST);
        assert_eq!(cut("x".repeat(256), LONGEST), "x".repeat(256));
    }
}
