mod edits;
mod fixture;
mod formats;
mod human;

use super::{Style, render};
use crate::cli::values::Format;
use fixture::Fixture;

const PLAIN: Style = Style {
    color: false,
    unicode: true,
    width: 80,
    is_terminal: false,
    verbose: false,
};

const FORMATS: [Format; 8] = [
    Format::Human,
    Format::Short,
    Format::Name,
    Format::Json,
    Format::Yaml,
    Format::Sarif,
    Format::Junit,
    Format::Github,
];

fn print(fixture: &Fixture, format: Format, style: Style) -> String {
    let mut out = Vec::new();
    render(format, &fixture.outcome(), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(fixture: &Fixture) -> serde_json::Value {
    serde_json::from_str(&print(fixture, Format::Json, PLAIN)).unwrap()
}
