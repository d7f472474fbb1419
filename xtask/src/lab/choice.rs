//! Which lab is meant.

use anyhow::{Context, Result, bail};
use netdoctor_lab::{Lab, Running, Spec};

/// The running lab of this name, or the only one.
pub(super) fn running(name: Option<&str>) -> Result<Lab> {
    let chosen = choose(&Lab::list()?, name, State::Running)?;
    Lab::attach(&chosen)?.with_context(|| format!("the lab `{chosen}` has just ended"))
}

/// The same, but it need not run any more.
pub(super) fn any(name: Option<&str>) -> Result<Running> {
    let labs = Lab::list()?;
    let chosen = choose(&labs, name, State::Any)?;
    let lab = labs.into_iter().find(|lab| lab.name == chosen);
    lab.with_context(|| format!("the lab `{chosen}` has just ended"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Any,
}

/// The name of the lab that is meant.
pub(super) fn choose(labs: &[Running], name: Option<&str>, state: State) -> Result<String> {
    let fitting: Vec<&Running> = labs
        .iter()
        .filter(|lab| state == State::Any || lab.alive)
        .collect();
    let others = || {
        let names: Vec<_> = fitting.iter().map(|lab| lab.name.as_str()).collect();
        names.join(", ")
    };
    let Some(name) = name else {
        return match fitting[..] {
            [] => bail!("no lab is running; `cargo xtask lab up` starts one"),
            [only] => Ok(only.name.clone()),
            _ => bail!(
                "several labs are running; say which with --name: {}",
                others()
            ),
        };
    };
    if fitting.iter().any(|lab| lab.name == name) {
        return Ok(name.to_owned());
    }
    // Nobody is told to start what cannot be started.
    Spec::default().named(name)?;
    let start = format!("`cargo xtask lab up --name {name}` starts it");
    if labs.iter().any(|lab| lab.name == name) {
        bail!("the lab `{name}` has died or is not ready yet; {start} anew");
    }
    if fitting.is_empty() {
        bail!("no lab `{name}` is running; {start}");
    }
    bail!("no lab `{name}` is running, only {}; {start}", others())
}
