//! `up`, `down` and `load`.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use netdoctor_lab::components;
use netdoctor_lab::{Lab, Spec};

use super::{UpArgs, choice, print, status};
use crate::tools;

pub(super) fn up(name: Option<&str>, arguments: &UpArgs) -> Result<()> {
    let mut spec = Spec {
        nodes: arguments.nodes,
        overlay: arguments.overlay,
        proxy: arguments.proxy,
        dual_stack: arguments.dual_stack,
        ..Spec::default()
    };
    if let Some(name) = name {
        spec = spec.named(name)?;
    }
    tools::install_packages(|text| eprintln!("{text}"))?;
    components::install(|text| eprintln!("{text}"))?;
    let start = Instant::now();
    let lab = Lab::up(&spec)?;
    print(&format!(
        "{}up after {:.1} s; `cargo xtask lab --help` says what can be done now\n",
        status::of(&lab)?,
        start.elapsed().as_secs_f64()
    ))
}

pub(super) fn down(name: Option<&str>, all: bool) -> Result<()> {
    let labs = Lab::list()?;
    let names = match name {
        // A name that is not listed may still have left something.
        Some(name) => vec![Spec::default().named(name)?.name],
        None if all => labs.into_iter().map(|lab| lab.name).collect(),
        None if labs.is_empty() => Vec::new(),
        None => vec![choice::choose(&labs, None, choice::State::Any)?],
    };
    if names.is_empty() {
        return print("there is no lab\n");
    }
    for name in names {
        Lab::down(&name).with_context(|| format!("ending the lab `{name}`"))?;
        print(&format!("{name}: down\n"))?;
    }
    Ok(())
}

pub(super) fn load(lab: &Lab, archive: &Path) -> Result<()> {
    ensure!(
        archive.is_file(),
        "there is no file {}; `docker save -o IMAGE.tar NAME:TAG` writes one",
        archive.display()
    );
    lab.load(archive)?;
    print(&format!("{}: loaded into every node\n", archive.display()))
}
