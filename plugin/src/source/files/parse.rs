//! From bytes to objects, on all cores. The order of the result is that of the files.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use netdoctor_engine::load::{self, Loaded, Place};
use netdoctor_engine::manifest::{self, ProblemKind};
use netdoctor_engine::model::decode::Any;

use crate::outcome::{InputProblem, SourceFile};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) loaded: Loaded,
    pub(super) problems: Vec<InputProblem>,
    pub(super) notes: Vec<String>,
}

/// The objects and problems of one file.
#[derive(Default)]
struct One {
    objects: Vec<Any>,
    loaded: Loaded,
    problems: Vec<manifest::Problem>,
}

/// Parses and decodes every file and hands over the objects in file order.
pub(super) fn all(files: &[SourceFile], namespace: &str, sink: &mut dyn FnMut(Any)) -> Read {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, One)>> = Mutex::new(Vec::with_capacity(files.len()));
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(files.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(at) else { break };
                    let one = one(file, u32::try_from(at).unwrap_or(u32::MAX), namespace);
                    // A poisoned lock means that another worker panicked; its scope panics as well.
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((at, one));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let (mut read, mut templates) = (Read::default(), 0);
    for (at, one) in done {
        one.objects.into_iter().for_each(&mut *sink);
        read.loaded += one.loaded;
        for problem in one.problems {
            templates += usize::from(problem.kind == ProblemKind::Template);
            read.problems.push(input_problem(&files[at].name, &problem));
        }
    }
    read.notes = notes(&read.loaded, templates);
    read
}

fn one(file: &SourceFile, number: u32, namespace: &str) -> One {
    let mut one = One::default();
    let place = Place {
        file: Some(number),
        namespace,
    };
    one.problems = manifest::parse_each(&file.text, &mut |document| {
        one.loaded += load::document(place, document.index, document.value, &mut |any| {
            one.objects.push(any);
        });
    });
    one
}

/// Reads a saved state (a raw list): objects of a cluster, which belong to no file.
pub(crate) fn read_documents(
    file: &SourceFile,
    namespace: &str,
    sink: &mut dyn FnMut(Any),
) -> (Loaded, Vec<InputProblem>) {
    let mut loaded = Loaded::default();
    let place = Place {
        file: None,
        namespace,
    };
    let problems = manifest::parse_each(&file.text, &mut |document| {
        loaded += load::document(place, document.index, document.value, sink);
    });
    (
        loaded,
        problems
            .iter()
            .map(|problem| input_problem(&file.name, problem))
            .collect(),
    )
}

fn input_problem(file: &str, problem: &manifest::Problem) -> InputProblem {
    InputProblem {
        file: file.to_owned(),
        line: Some(problem.at.line),
        column: Some(problem.at.column),
        message: problem.message.clone(),
        fatal: problem.is_fatal(),
    }
}

fn notes(loaded: &Loaded, templates: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let mut count = |number: usize, one: &str, many: &str| {
        if number > 0 {
            notes.push(format!("{number} {}", if number == 1 { one } else { many }));
        }
    };
    count(
        templates,
        "file is a template and was skipped",
        "files are templates and were skipped",
    );
    count(
        loaded.foreign,
        "document without apiVersion and kind was skipped",
        "documents without apiVersion and kind were skipped",
    );
    notes
}
