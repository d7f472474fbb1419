//! Saved states: our bundles, and what people already have (`kubectl get … -A -o json`), from files, directories or
//! standard input.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use netdoctor_engine::facts::StatedFacts;
use netdoctor_engine::model::decode::Any;
use netdoctor_engine::model::{Kind, Text};
use netdoctor_engine::snapshot::{Builder, Coverage, Gap, GapCause, Source};

use super::files::read_documents;
use super::{Input, bundle};
use crate::outcome::{InputProblem, SourceFile, Sources};

/// Reads a saved state. `namespace` is what `-n` asks for.
pub(crate) fn read(
    paths: &[PathBuf],
    namespace: Option<&str>,
    facts: StatedFacts,
) -> anyhow::Result<Input> {
    let files = files(paths)?;
    if let [file] = &files[..]
        && let Some(text) = bundle::text_of(&file.text)?
    {
        return bundle::read(&text, namespace, facts)
            .map_err(|error| anyhow::anyhow!("error: {}: {error}", file.name));
    }
    Ok(raw_lists(&files, namespace, facts))
}

fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = Vec::new();
            std::io::stdin().lock().read_to_end(&mut text)?;
            files.push(SourceFile {
                name: "<stdin>".into(),
                text,
            });
        } else if path.is_dir() {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
                .map_err(|error| {
                    anyhow::anyhow!("error: {} cannot be read: {error}", path.display())
                })?
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(|entry| entry.is_file())
                .collect();
            entries.sort();
            for entry in entries {
                files.push(file(&entry)?);
            }
        } else {
            files.push(file(path)?);
        }
    }
    Ok(files)
}

fn file(path: &Path) -> anyhow::Result<SourceFile> {
    match std::fs::read(path) {
        Ok(text) => Ok(SourceFile {
            name: path.display().to_string(),
            text,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("error: the path \"{}\" does not exist", path.display())
        }
        Err(error) => anyhow::bail!("error: {} cannot be read: {error}", path.display()),
    }
}

/// A raw list does not say what was asked for: a kind without any object is a gap, never proof of absence. Namespaced
/// kinds count as listed everywhere when the input holds objects of more than one namespace.
fn raw_lists(files: &[SourceFile], namespace: Option<&str>, facts: StatedFacts) -> Input {
    let mut builder = Builder::new(Source::Cluster);
    builder.state(facts);
    builder.scope(namespace);
    let mut seen: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut namespaces: BTreeSet<Text> = BTreeSet::new();
    let (mut problems, mut objects) = (Vec::new(), 0);
    for file in files {
        let (loaded, found) = read_documents(file, "default", &mut |any: Any| {
            *seen.entry(any.kind()).or_default() += 1;
            if any.kind().namespaced() {
                namespaces.insert(any.meta().namespace.clone());
            }
            builder.insert(any);
        });
        objects += loaded.objects + loaded.unread;
        problems.extend(found);
    }
    if objects == 0 && !problems.iter().any(|problem| problem.fatal) {
        problems.push(InputProblem {
            file: files
                .first()
                .map(|file| file.name.clone())
                .unwrap_or_default(),
            line: None,
            column: None,
            message: "neither a bundle nor a list of Kubernetes objects".into(),
            fatal: true,
        });
    }
    let everywhere = namespaces.len() > 1;
    for kind in Kind::all() {
        *builder.coverage(kind) = coverage(kind, seen.get(&kind).copied(), everywhere, &namespaces);
    }
    let notes = vec![
        "a raw list does not say what was asked for: kinds without any object were not checked"
            .to_owned(),
    ];
    Input {
        snapshot: builder.seal(),
        sources: Sources::default(),
        problems,
        notes,
        clock: None,
    }
}

fn coverage(
    kind: Kind,
    count: Option<usize>,
    everywhere: bool,
    namespaces: &BTreeSet<Text>,
) -> Coverage {
    match count {
        Some(count) if everywhere || !kind.namespaced() => Coverage {
            count,
            ..Coverage::complete()
        },
        Some(count) => Coverage {
            namespaces: namespaces.clone(),
            count,
            ..Coverage::default()
        },
        // Kinds that CRDs bring are as a rule not there at all.
        None if kind.is_custom() => Coverage {
            not_installed: true,
            ..Coverage::default()
        },
        None => {
            let resource = kind.resource().into();
            let gap = Gap {
                verb: "list".into(),
                resource,
                namespace: None,
                cause: GapCause::RawList,
            };
            Coverage {
                gaps: vec![gap],
                ..Coverage::default()
            }
        }
    }
}
