use super::super::Style;
use super::fixture::{self, Fixture};
use super::{PLAIN, print};
use crate::cli::values::Format;
use netdoctor_engine::rule::Severity;

fn human(fixture: &Fixture, style: Style) -> String {
    print(fixture, Format::Human, style)
}

#[test]
fn look() {
    for (name, text) in [
        ("SHOP", human(&fixture::shop(), PLAIN)),
        (
            "PROBLEMS",
            human(
                &fixture::shop().with_problems(),
                Style {
                    unicode: false,
                    width: 60,
                    ..PLAIN
                },
            ),
        ),
        ("CLUSTER", human(&fixture::cluster(), PLAIN)),
        (
            "NARROW",
            human(
                &fixture::cluster(),
                Style {
                    unicode: false,
                    width: 60,
                    ..PLAIN
                },
            ),
        ),
        ("ALLOWED", human(&fixture::allowed(), PLAIN)),
        (
            "CLEAN",
            human(
                &fixture::files(&[("deploy/agent.yaml", fixture::SERVICE)])
                    .with(|spec| spec.min_severity = Severity::Error),
                PLAIN,
            ),
        ),
        (
            "NEVER",
            human(&fixture::shop().with(|spec| spec.fail_on = None), PLAIN),
        ),
    ] {
        println!("=={name}\n{text}==END");
    }
}

#[test]
fn a31_colour_is_all_that_colour_adds() {
    for fixture in [fixture::shop().with_problems(), fixture::cluster()] {
        let colored = human(
            &fixture,
            Style {
                color: true,
                ..PLAIN
            },
        );
        assert!(colored.contains("\x1b["));
        assert_eq!(
            anstream::adapter::strip_str(&colored).to_string(),
            human(&fixture, PLAIN)
        );
    }
}

#[test]
fn a64_ascii_and_narrow() {
    for width in [40, 60, 80, 120] {
        for fixture in [fixture::shop().with_problems(), fixture::cluster()] {
            let text = human(
                &fixture,
                Style {
                    unicode: false,
                    width,
                    ..PLAIN
                },
            );
            assert!(text.is_ascii(), "{text}");
            for line in text.lines().filter(|line| line.len() > width) {
                // Source lines, commands and words that cannot be broken.
                let longest = line.split(' ').map(str::len).max().unwrap_or_default();
                assert!(
                    line.contains(" | ") || line.contains("kubectl") || longest + 12 > width,
                    "{width}: {line}"
                );
            }
        }
    }
}

#[test]
fn the_duration_is_for_people_only() {
    let reading_along = Style {
        is_terminal: true,
        ..PLAIN
    };
    assert!(human(&fixture::shop(), reading_along).contains(" · 1.2s"));
    assert!(!human(&fixture::shop(), PLAIN).contains("1.2s"));
}

#[test]
fn a_symptom_has_its_own_block_when_its_cause_is_not_shown() {
    let quiet = fixture::cluster().with(|spec| spec.min_severity = Severity::Warning);
    assert!(!human(&quiet, PLAIN).contains("error[DNS904]"));
    assert!(!human(&quiet, PLAIN).contains("SVC990"));
}
