//! Where the time of a lint goes: reading, indexing, and each rule.
//!
//! `cargo run --release -p netdoctor-engine --example lint_folder -- FOLDER` on one thread; slowest rules first.
#![allow(
    clippy::print_stdout,
    reason = "an example that prints what it measured"
)]

use netdoctor_engine::{
    config::Config,
    load::{self, Place},
    manifest,
    rule::Surface,
    rules::RULES,
    run::run,
    snapshot::{Builder, Source},
};
use std::{fs, time::Instant};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut builder = Builder::new(Source::Files);
    let started = Instant::now();
    let mut objects = Vec::new();
    for path in &paths {
        let text = fs::read(path)?;
        let place = Place {
            file: Some(builder.file(&path.display().to_string())),
            namespace: "default",
        };
        manifest::parse_each(&text, &mut |document| {
            load::document(place, document.index, document.value, &mut |any| {
                objects.push(any);
            });
        });
    }
    let read = started.elapsed();
    let count = objects.len();
    for any in objects {
        builder.insert(any);
    }
    let inserted = started.elapsed();
    let snapshot = builder.seal();
    let sealed = started.elapsed();
    let now = "2026-01-01T12:00:00Z".parse().unwrap_or_default();
    run(&RULES, &snapshot, &Config::default(), now, Surface::Lint);
    let judged = started.elapsed();
    println!(
        "{count} objects: read {read:.2?}, insert {:.2?}, index {:.2?}, rules {:.2?}",
        inserted.saturating_sub(read),
        sealed.saturating_sub(inserted),
        judged.saturating_sub(sealed)
    );
    let mut rows: Vec<_> = RULES
        .iter()
        .filter(|rule| rule.lint.is_some())
        .map(|rule| {
            let started = Instant::now();
            run(&[*rule], &snapshot, &Config::default(), now, Surface::Lint);
            (started.elapsed(), rule.code)
        })
        .collect();
    rows.sort();
    for (time, code) in rows.iter().rev().take(15) {
        println!("{time:>10.2?}  {code}");
    }
    Ok(())
}
