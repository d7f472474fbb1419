mod fixture;

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

fn print(fixture: &Fixture, format: Format, style: Style) -> String {
    let mut out = Vec::new();
    render(format, &fixture.outcome(), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn look() {
    for f in [
        Format::Human,
        Format::Short,
        Format::Name,
        Format::Github,
        Format::Junit,
        Format::Sarif,
        Format::Yaml,
    ] {
        println!(
            "=========== {f:?}\n{}",
            print(&fixture::shop().with_problems(), f, PLAIN)
        );
    }
    println!(
        "=========== ascii\n{}",
        print(
            &fixture::shop(),
            Format::Human,
            Style {
                unicode: false,
                width: 60,
                ..PLAIN
            }
        )
    );
    for f in [
        Format::Human,
        Format::Short,
        Format::Name,
        Format::Github,
        Format::Junit,
        Format::Json,
    ] {
        println!(
            "=========== live {f:?}\n{}",
            print(&fixture::cluster(), f, PLAIN)
        );
    }
    println!(
        "=========== live ascii\n{}",
        print(
            &fixture::cluster(),
            Format::Human,
            Style {
                unicode: false,
                width: 60,
                ..PLAIN
            }
        )
    );
    println!(
        "=========== allowed\n{}",
        print(&fixture::allowed(), Format::Human, PLAIN)
    );
    println!(
        "=========== summary\n{}",
        super::step_summary(&fixture::shop().with_problems().outcome())
    );
}
