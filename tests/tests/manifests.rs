//! The files under `manifests/` are committed and compared: what is published is what the rules ask for.
//!
//! `cargo xtask docs` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use netdoctor_manifests::kustomize;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

/// What is written by hand there.
const BY_HAND: [&str; 3] = ["src", "Cargo.toml", "README.md"];

/// Files below a folder that are not written by hand, with their text.
fn committed(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if BY_HAND.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_files_are_what_the_generator_writes() {
    let files = kustomize::files();
    if std::env::var_os("NETDOCTOR_UPDATE_DOCS").is_some() {
        for name in committed(&folder()).keys() {
            std::fs::remove_file(folder().join(name)).unwrap();
        }
        for (name, text) in &files {
            let path = folder().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    let committed = committed(&folder());
    for (name, text) in &files {
        assert_eq!(
            committed.get(name),
            Some(text),
            "manifests/{name} is out of date: run `cargo xtask docs`"
        );
    }
    for name in committed.keys() {
        assert!(
            files.contains_key(name),
            "manifests/{name} is no longer generated"
        );
    }
}
