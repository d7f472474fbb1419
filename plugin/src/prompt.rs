//! Questions before something is changed. The answer is No unless somebody says otherwise.

use std::io::{BufRead, Write};

use crate::commands::Usage;
use crate::settings::Settings;

/// Whether to go on, as a person, a flag or a rule decides.
///
/// # Errors
/// Wrong usage: writing is forbidden, or there is nobody to ask and no `--yes`.
pub(crate) fn consent(plan: &str, yes: bool, settings: &Settings) -> anyhow::Result<bool> {
    if settings.readonly {
        return Err(Usage(
            "error: nothing is changed with --readonly or NETDOCTOR_READONLY".into(),
        )
        .into());
    }
    if yes {
        return Ok(true);
    }
    if !settings.may_ask {
        return Err(Usage(
            "error: this changes the cluster, and there is nobody to ask: say --yes, or look first with --dry-run=client"
                .into(),
        )
        .into());
    }
    ask(plan, &mut std::io::stdin().lock(), &mut std::io::stderr())
}

/// Shows what will be done and reads the answer: `y` or `Y`, and nothing else, is Yes (kubectl's own question).
fn ask(plan: &str, input: &mut dyn BufRead, output: &mut dyn Write) -> anyhow::Result<bool> {
    write!(output, "{plan}\nDo you want to continue? (y/N): ")?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Environment;

    fn settings(variables: &[(&'static str, &str)], terminal: bool) -> Settings {
        let command = crate::cli::parse(["netdoctor".into(), "version".into()])
            .unwrap()
            .command;
        Settings::new(&command, &Environment::fake(variables, terminal))
    }

    #[test]
    fn a68_only_y_is_yes() {
        for (typed, yes) in [
            ("y\n", true),
            ("Y\n", true),
            ("\n", false),
            ("", false),
            ("yes\n", false),
            ("n\n", false),
        ] {
            let mut shown = Vec::new();
            let answer = ask("plan", &mut typed.as_bytes(), &mut shown).unwrap();
            assert_eq!(answer, yes, "{typed:?}");
            let shown = String::from_utf8(shown).unwrap();
            assert_eq!(shown, "plan\nDo you want to continue? (y/N): ");
        }
    }

    #[test]
    fn a68_without_a_terminal_somebody_must_have_said_yes() {
        assert!(consent("plan", true, &settings(&[], false)).unwrap());
        let refused = consent("plan", false, &settings(&[], false)).unwrap_err();
        assert!(refused.downcast_ref::<Usage>().is_some());
        let no_input = settings(&[("NETDOCTOR_NO_INPUT", "1")], true);
        assert!(consent("plan", false, &no_input).is_err());
    }

    #[test]
    fn a69_readonly_wins_over_yes() {
        let readonly = settings(&[("NETDOCTOR_READONLY", "1")], true);
        assert!(consent("plan", true, &readonly).is_err());
        let off = settings(&[("NETDOCTOR_READONLY", "false")], true);
        assert!(consent("plan", true, &off).unwrap());
    }
}
