//! `bundle save` and `bundle show`.

use std::collections::BTreeSet;
use std::io::Write as _;

use jiff::Timestamp;
use netdoctor_engine::model::Kind;
use netdoctor_engine::redact::redact;
use netdoctor_engine::rule::Surface;
use netdoctor_engine::rules::RULES;
use serde_json::Value;

use super::check::warn;
use super::judge::talk;
use crate::cli::{BundleSaveArgs, BundleShowArgs};
use crate::cluster;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::source::{bundle, live};

/// Reads what all rules read, redacts it page by page, and writes it.
pub(crate) fn save(args: &BundleSaveArgs, settings: &Settings) -> anyhow::Result<u8> {
    let progress = Progress::new(settings.progress, settings.unicode);
    let saved = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(read(args, settings, &progress));
    progress.finish();
    let bundle = saved?;
    bundle::write(&bundle, &args.file)?;
    let gaps: usize = bundle.listed.iter().map(|listed| listed.gaps.len()).sum();
    talk(
        settings,
        &format!(
            "Saved {} objects to {} ({}). Secret data, environment values and configuration data are not in it.",
            bundle.objects.len(),
            args.file.display(),
            if gaps == 0 {
                "nothing was unreadable".to_owned()
            } else {
                format!("{gaps} lists were unreadable")
            },
        ),
    );
    Ok(0)
}

async fn read(
    args: &BundleSaveArgs,
    settings: &Settings,
    progress: &Progress,
) -> anyhow::Result<bundle::Bundle> {
    let cluster = cluster::connect(&settings.connection).await?;
    let namespace = (!args.all_namespaces).then(|| cluster.namespace.clone());
    let rules: Vec<_> = RULES
        .iter()
        .copied()
        .filter(|rule| rule.runs_on(Surface::Check))
        .collect();
    let request = live::Request {
        rules: &rules,
        namespaces: namespace.as_slice(),
        everywhere: BTreeSet::new(),
        facts: netdoctor_engine::facts::StatedFacts::default(),
        logs: false,
    };
    let listed = live::read(&cluster, &request, progress, |kind, json| {
        redact(
            kind,
            &serde_json::from_str::<Value>(json).unwrap_or_default(),
        )
    })
    .await?;
    warn(&cluster, settings, progress);
    let mut objects = listed.objects;
    objects.sort_by_key(|(kind, _)| *kind);
    let objects = objects
        .into_iter()
        .flat_map(|(_, objects)| objects)
        .collect();
    let now = listed.clock.unwrap_or_else(Timestamp::now);
    Ok(bundle::make(
        namespace.as_deref(),
        now,
        &listed.coverage,
        objects,
    ))
}

/// Prints what a bundle holds.
pub(crate) fn show(args: &BundleShowArgs) -> anyhow::Result<u8> {
    let name = args.file.display();
    let bytes = if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
        bytes
    } else {
        std::fs::read(&args.file)
            .map_err(|error| anyhow::anyhow!("error: {name} cannot be read: {error}"))?
    };
    let Some(text) = bundle::text_of(&bytes)? else {
        anyhow::bail!("error: {name} is no bundle")
    };
    let bundle = bundle::parse(&text).map_err(|error| anyhow::anyhow!("error: {name}: {error}"))?;
    let mut out = std::io::stdout().lock();
    let scope = bundle
        .spec
        .namespace
        .as_deref()
        .map_or("all namespaces".to_owned(), |ns| format!("namespace {ns}"));
    let scope = crate::terminal::sanitize_line(&scope).into_owned();
    writeln!(
        out,
        "Saved at {} by netdoctor {}: {scope}",
        bundle.metadata.now, bundle.tool.version
    )?;
    writeln!(out)?;
    let width = bundle
        .listed
        .iter()
        .map(|listed| listed.resource.len())
        .max()
        .unwrap_or(8)
        .max(8);
    writeln!(out, "{:width$}   OBJECTS   LISTED", "RESOURCE")?;
    for listed in &bundle.listed {
        let state = state(listed);
        let resource = crate::terminal::sanitize_line(&listed.resource).into_owned();
        writeln!(
            out,
            "{resource:width$}   {:<7}   {}",
            listed.count,
            crate::terminal::sanitize_line(&state)
        )?;
    }
    Ok(0)
}

fn state(listed: &bundle::Listed) -> String {
    let known = Kind::all().any(|kind| kind.resource() == listed.resource);
    if !known {
        "unknown-to-this-version".to_owned()
    } else if listed.not_installed {
        "not-installed".to_owned()
    } else if listed.everywhere {
        "everywhere".to_owned()
    } else if !listed.namespaces.is_empty() {
        listed.namespaces.join(",")
    } else {
        "unreadable".to_owned()
    }
}
