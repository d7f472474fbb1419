//! From what was typed to files: directories one level deep (or all levels with `-R`), globs, standard input.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::outcome::{InputProblem, SourceFile};

/// Endings that kubectl reads in a directory.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// Reads every file. A path that does not exist is an error at once, as in kubectl; a file that cannot be read is a
/// problem beside the others.
pub(super) fn files(
    paths: &[PathBuf],
    recursive: bool,
    exclude: &[String],
) -> anyhow::Result<(Vec<SourceFile>, Vec<InputProblem>)> {
    let excluded = excluded(exclude)?;
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            found.push(PathBuf::from("-"));
        } else {
            expand(path, recursive, &mut found, &mut problems)?;
        }
    }
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for path in found {
        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
        let hidden = path.as_os_str() != "-"
            && excluded
                .matched_path_or_any_parents(strip(&path), false)
                .is_ignore();
        if hidden || !seen.insert(identity) {
            continue;
        }
        match contents(&path) {
            Ok(text) => files.push(SourceFile {
                name: name(&path),
                text,
            }),
            Err(error) => problems.push(unreadable(&path, &error)),
        }
    }
    Ok((files, problems))
}

fn excluded(patterns: &[String]) -> anyhow::Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in patterns {
        builder.add_line(None, pattern).map_err(|error| {
            anyhow::anyhow!("error: exclude.paths: `{pattern}` is no pattern: {error}")
        })?;
    }
    Ok(builder.build()?)
}

/// Patterns are relative to where the command runs.
fn strip(path: &Path) -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&current).unwrap_or(path);
    path.components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .collect()
}

fn expand(
    path: &Path,
    recursive: bool,
    found: &mut Vec<PathBuf>,
    problems: &mut Vec<InputProblem>,
) -> anyhow::Result<()> {
    let text = path.to_string_lossy();
    if text.starts_with("http://") || text.starts_with("https://") {
        anyhow::bail!(
            "error: {text}: URLs are not read; download the file and pass it, or pipe it to -f -"
        );
    }
    match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => {
            directory(path, recursive, found, problems);
            Ok(())
        }
        Ok(_) => {
            found.push(path.to_owned());
            Ok(())
        }
        Err(_) if text.contains(['*', '?', '[']) => pattern(&text, found),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("error: the path \"{text}\" does not exist")
        }
        Err(error) => {
            problems.push(unreadable(path, &error));
            Ok(())
        }
    }
}

fn pattern(text: &str, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let paths = glob::glob(text)
        .map_err(|error| anyhow::anyhow!("error: the pattern \"{text}\": {error}"))?;
    let before = found.len();
    found.extend(paths.filter_map(Result::ok).filter(|path| path.is_file()));
    anyhow::ensure!(
        found.len() > before,
        "error: the path \"{text}\" does not exist"
    );
    Ok(())
}

fn directory(
    path: &Path,
    recursive: bool,
    found: &mut Vec<PathBuf>,
    problems: &mut Vec<InputProblem>,
) {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unreadable(path, &error)),
    };
    let mut entries: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for entry in entries {
        let ending = entry.extension().and_then(|ending| ending.to_str());
        if entry.is_dir() {
            // A link to a directory may lead back up.
            if recursive && !entry.is_symlink() {
                directory(&entry, recursive, found, problems);
            }
        } else if ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            found.push(entry);
        }
    }
}

fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "<stdin>".to_owned()
    } else {
        path.display().to_string()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> InputProblem {
    InputProblem {
        file: path.display().to_string(),
        line: None,
        column: None,
        message: format!("cannot be read: {error}"),
        fatal: true,
    }
}
