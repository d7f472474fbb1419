//! Manifests: files, directories, globs, standard input and kustomizations, read on all cores.

mod find;
mod parse;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use netdoctor_engine::facts::StatedFacts;
use netdoctor_engine::model::decode::Any;
use netdoctor_engine::snapshot::{Builder, Source};

use super::Input;
use crate::outcome::{InputProblem, SourceFile, Sources};

pub(crate) use parse::read_documents;

/// What to read.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Files, directories, globs, `-`.
    pub(crate) paths: Vec<PathBuf>,
    /// Descend into directories.
    pub(crate) recursive: bool,
    /// Kustomization directory, instead of paths.
    pub(crate) kustomize: Option<PathBuf>,
    /// The kubectl to call for a kustomization.
    pub(crate) kubectl: PathBuf,
    /// Paths to leave out, as in `.gitignore`.
    pub(crate) exclude: Vec<String>,
    /// Namespace of objects that name none.
    pub(crate) namespace: String,
    /// Stated facts.
    pub(crate) facts: StatedFacts,
}

/// Reads everything that was asked for. Files that cannot be read are problems; the others are still judged.
pub(crate) fn read(request: &Request) -> anyhow::Result<Input> {
    let facts = request.facts.clone();
    let mut builder = Builder::new(Source::Files);
    let manifests = each(request, &mut |any| builder.insert(any))?;
    for file in manifests.sources.names() {
        builder.file(file);
    }
    builder.state(facts);
    Ok(Input {
        snapshot: builder.seal(),
        notes: manifests.notes,
        sources: manifests.sources,
        problems: manifests.problems,
        clock: None,
    })
}

/// What was read besides objects.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// Texts of the files.
    pub(crate) sources: Sources,
    /// What could not be read.
    pub(crate) problems: Vec<InputProblem>,
    /// Counted notes.
    pub(crate) notes: Vec<String>,
}

/// As [`read`], handing over the objects one by one. The number of a file in an `Origin` is its place in the sources.
pub(crate) fn each(request: &Request, sink: &mut dyn FnMut(Any)) -> anyhow::Result<Manifests> {
    let (files, mut problems) = match &request.kustomize {
        Some(directory) => (vec![kustomize(directory, &request.kubectl)?], Vec::new()),
        None => find::files(&request.paths, request.recursive, &request.exclude)?,
    };
    let read = parse::all(&files, &request.namespace, sink);
    problems.extend(read.problems);
    if read.loaded.objects + read.loaded.unread == 0
        && !problems.iter().any(|problem| problem.fatal)
    {
        let message = if files.is_empty() {
            "no manifest was found (files ending in .yaml, .yml or .json)"
        } else {
            "no Kubernetes object was found in the input"
        };
        problems.push(InputProblem {
            file: String::new(),
            line: None,
            column: None,
            message: message.into(),
            fatal: true,
        });
    }
    Ok(Manifests {
        sources: Sources::new(files),
        problems,
        notes: read.notes,
    })
}

/// The output of `kubectl kustomize DIR`, or of `kustomize build DIR` where there is no kubectl.
fn kustomize(directory: &Path, kubectl: &Path) -> anyhow::Result<SourceFile> {
    let built = std::process::Command::new(kubectl)
        .arg("kustomize")
        .arg(directory)
        .output();
    let built = match built {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::process::Command::new("kustomize")
                .arg("build")
                .arg(directory)
                .output()
        }
        other => other,
    };
    let output = match built {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("error: -k needs kubectl or kustomize on PATH, and neither was found")
        }
        Err(error) => return Err(error).context("error: cannot run kubectl kustomize"),
    };
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = crate::terminal::sanitize(reason.trim());
        anyhow::bail!(
            "error: the kustomization {} cannot be built: {reason}",
            directory.display()
        );
    }
    Ok(SourceFile {
        name: format!("{} (kustomize)", directory.display()),
        text: output.stdout,
    })
}
