//! What `-v` shows on standard error, and warnings of the server. Credentials never get this far.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

use http::HeaderMap;

use crate::terminal::sanitize_line;

/// Level of `-v` that shows decisions: which file, context, proxy and credentials are used.
pub(crate) const DECISIONS: u8 = 4;
/// Level that shows one line per request.
pub(crate) const REQUESTS: u8 = 6;
/// Level that shows headers too.
pub(crate) const HEADERS: u8 = 8;

/// Headers whose value is a credential or can be exchanged for one.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "proxy-authenticate",
];

/// The log of one run.
#[derive(Debug, Default)]
pub(crate) struct Log {
    level: u8,
    warnings: Mutex<Warnings>,
}

#[derive(Debug, Default)]
struct Warnings {
    seen: BTreeSet<String>,
    new: Vec<String>,
}

impl Log {
    /// A log that shows what `level` asks for.
    pub(crate) fn new(level: u8) -> Self {
        Self {
            level,
            warnings: Mutex::default(),
        }
    }

    /// Whether `level` is shown.
    pub(crate) fn shows(&self, level: u8) -> bool {
        self.level >= level
    }

    /// Writes one line when `level` is shown; the text is made only then.
    pub(crate) fn line(&self, level: u8, text: impl FnOnce() -> String) {
        if self.shows(level) {
            self.notice(&text());
        }
    }

    /// Writes one line whatever the level is.
    #[expect(
        clippy::unused_self,
        reason = "all talk goes through the log of the run"
    )]
    pub(crate) fn notice(&self, text: &str) {
        // A closed standard error is no reason to stop.
        _ = writeln!(std::io::stderr().lock(), "{}", sanitize_line(text));
    }

    /// Keeps a warning that was not seen before.
    pub(crate) fn warn(&self, text: &str) {
        let mut warnings = self
            .warnings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let text = sanitize_line(text).into_owned();
        if warnings.seen.insert(text.clone()) {
            warnings.new.push(text);
        }
    }

    /// Warnings since the last call, in the order they came.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self
            .warnings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut warnings.new)
    }
}

/// Headers, one line each, with secrets masked.
pub(crate) fn header_lines(headers: &HeaderMap) -> Vec<String> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = if SECRET_HEADERS.contains(&name.as_str()) || value.is_sensitive() {
                "<masked>".into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            format!("    {name}: {value}")
        })
        .collect()
}

/// The texts of `Warning` headers (RFC 9111 §5.5): `299 - "text"`, several per header allowed.
pub(crate) fn warning_texts(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(http::header::WARNING).iter();
    values
        .flat_map(|value| quoted_texts(&String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

/// The first quoted string of each warning; a second one is its date.
fn quoted_texts(value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut has_text = false;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            ',' => has_text = false,
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    text.extend(if c == '\\' { chars.next() } else { Some(c) });
                }
                if !has_text {
                    texts.push(text);
                }
                has_text = true;
            }
            _ => {}
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a30_warnings_are_unquoted_and_shown_once() {
        let mut headers = HeaderMap::new();
        for value in [
            r#"299 - "v1 Endpoints is deprecated in v1.33+""#,
            r#"299 - "say \"hi\", twice" "Wed, 21 Oct 2026 07:28:00 GMT", 299 - "second""#,
            "garbage",
        ] {
            headers.append(http::header::WARNING, value.parse().unwrap());
        }
        let texts = warning_texts(&headers);
        assert_eq!(
            texts,
            [
                "v1 Endpoints is deprecated in v1.33+",
                "say \"hi\", twice",
                "second"
            ]
        );
        let log = Log::new(0);
        texts.iter().chain(&texts).for_each(|text| log.warn(text));
        log.warn("\x1b[2Jgone");
        assert_eq!(
            log.take_warnings(),
            [&texts[..], &["^[[2Jgone".to_owned()]].concat()
        );
        log.warn("second");
        assert!(log.take_warnings().is_empty());
    }

    #[test]
    fn a36_secrets_are_masked() {
        let mut headers = HeaderMap::new();
        for name in SECRET_HEADERS {
            headers.insert(name, "hunter2".parse().unwrap());
        }
        let mut sensitive: http::HeaderValue = "hunter2".parse().unwrap();
        sensitive.set_sensitive(true);
        headers.insert("x-custom", sensitive);
        headers.insert("content-type", "application/json".parse().unwrap());
        let lines = header_lines(&headers).join("\n");
        assert!(!lines.contains("hunter2"), "{lines}");
        assert!(
            lines.contains("    content-type: application/json"),
            "{lines}"
        );
    }
}
