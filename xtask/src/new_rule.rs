//! `cargo xtask new-rule CODE NAME`: the pair of files of a rule, registered in its area. The build fails until the page
//! has an example, and the tests fail until the example is found.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Letters of a code and the folder of its area.
const AREAS: [(&str, &str); 13] = [
    ("API", "api"),
    ("CNI", "cni"),
    ("DNS", "dns"),
    ("HST", "host"),
    ("ING", "ingress"),
    ("KPX", "proxy"),
    ("LBA", "loadbalancer"),
    ("NOD", "node"),
    ("POL", "policy"),
    ("PRB", "probe"),
    ("SVC", "service"),
    ("TLS", "tls"),
    ("WKL", "workload"),
];

/// Makes the files below `root` (the repository) and returns what to do next.
pub(crate) fn make(root: &Path, code: &str, name: &str) -> Result<String> {
    let letters = code.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some((_, area)) = AREAS.iter().find(|(known, _)| *known == letters) else {
        let known: Vec<&str> = AREAS.iter().map(|(letters, _)| *letters).collect();
        bail!(
            "{code} is in no area; a code is one of {} and three digits",
            known.join(", ")
        );
    };
    ensure!(
        code.len() == letters.len() + 3,
        "{code} is no code: three digits follow the letters"
    );
    let plain = name.split('-').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    ensure!(
        plain,
        "{name} is no name: lower-case words joined by hyphens, naming the defect"
    );
    let rules = root.join("engine/src/rules");
    let module = name.replace('-', "_");
    let source = rules.join(area).join(format!("{module}.rs"));
    ensure!(!source.exists(), "{} exists already", source.display());
    ensure!(
        !is_taken(&rules, code)?,
        "{code} is taken; codes are never reused"
    );
    register(&rules.join(format!("{area}.rs")), &module)?;
    fs::create_dir_all(rules.join(area))?;
    fs::write(&source, rule(code, name, &module))
        .with_context(|| format!("writing {}", source.display()))?;
    fs::write(source.with_extension("md"), PAGE).context("writing the page")?;
    Ok(format!(
        "engine/src/rules/{area}/{module}.rs  the condition and its tests\n\
         engine/src/rules/{area}/{module}.md  the page: the build fails until it has an example\n\
         Then: cargo test -p netdoctor-engine {module}, cargo xtask docs, and a line in CHANGELOG.md"
    ))
}

fn is_taken(rules: &Path, code: &str) -> Result<bool> {
    let wanted = format!("code: \"{code}\"");
    for (_, area) in AREAS {
        let Ok(entries) = fs::read_dir(rules.join(area)) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "rs")
                && fs::read_to_string(&path)?.contains(&wanted)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Adds the module and the rule to the lists of the area.
fn register(list: &Path, module: &str) -> Result<()> {
    let text = fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
    let entry = format!("mod {module};\n");
    let at = text
        .find("\npub(super) static RULES")
        .context("the area has no list of rules")?;
    let first = text.find("\nmod ").map_or(at, |first| first + 1);
    let (before, modules) = text[..at].split_at(first.min(at));
    let mut modules: Vec<&str> = modules.lines().filter(|line| !line.is_empty()).collect();
    let line = entry.trim_end();
    modules.push(line);
    modules.sort_unstable();
    let rest = &text[at..];
    let end = rest.rfind("];").context("the list of rules has no end")?;
    let open = rest[..end].trim_end();
    let comma = if open.ends_with('[') || open.ends_with(',') {
        ""
    } else {
        ","
    };
    let before = before.trim_end();
    let listed = format!(
        "{before}\n\n{}\n{open}{comma}\n    &{module}::RULE,\n];\n",
        modules.join("\n")
    );
    fs::write(list, listed).with_context(|| format!("writing {}", list.display()))
}

fn rule(code: &str, name: &str, module: &str) -> String {
    format!(
        r#"//! `{name}`

use crate::{{
    context::{{Context, Reporter}},
    model::Service,
    rule::{{Check, Rule, Severity, has_example}},
}};

pub(super) static RULE: Rule = Rule {{
    code: "{code}",
    name: "{name}",
    summary: "one line for lists",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    page: PAGE,
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
}};

const PAGE: &str = include_str!("{module}.md");
const _: () = assert!(has_example(PAGE), "{code}: the page has no example with `# warning: {code}` on the line that is found");

fn check<'a>(_cx: &Context<'a>, _service: &'a Service, report: &mut Reporter) {{
    report.not_applicable();
}}

#[cfg(test)]
mod tests {{
    use super::RULE;
    use crate::testkit::check_page;

    #[test]
    fn the_page_holds() {{
        check_page(&RULE);
    }}
}}
"#
    )
}

const PAGE: &str = "## What it does

## Why it matters

## Example (fails)

## Instead (passes)

## How to fix

## Fix safety

## Not found

## Sources
";

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let rules = root.path().join("engine/src/rules");
        fs::create_dir_all(rules.join("service")).unwrap();
        let list = "//! Services.\n\nuse crate::rule::Rule;\n\nmod b_rule;\n\npub(super) static RULES: &[&Rule] = &[&b_rule::RULE];\n";
        fs::write(rules.join("service.rs"), list).unwrap();
        fs::write(rules.join("service/b_rule.rs"), "code: \"SVC001\"").unwrap();
        root
    }

    #[test]
    fn the_pair_of_files_is_registered() {
        let root = repository();
        make(root.path(), "SVC099", "a-defect").unwrap();
        let list = fs::read_to_string(root.path().join("engine/src/rules/service.rs")).unwrap();
        assert_eq!(
            list,
            "//! Services.\n\nuse crate::rule::Rule;\n\nmod a_defect;\nmod b_rule;\n\npub(super) static RULES: &[&Rule] = &[&b_rule::RULE,\n    &a_defect::RULE,\n];\n"
        );
        assert!(
            root.path()
                .join("engine/src/rules/service/a_defect.md")
                .is_file()
        );
    }

    #[test]
    fn mistakes_change_nothing() {
        let root = repository();
        for (code, name) in [
            ("XYZ001", "a"),
            ("SVC1", "a"),
            ("SVC099", "Not A Name"),
            ("SVC001", "other"),
        ] {
            assert!(make(root.path(), code, name).is_err(), "{code} {name}");
        }
        assert!(
            !root
                .path()
                .join("engine/src/rules/service/other.rs")
                .exists()
        );
    }
}
