//! The namespaces that a selector selects.

use super::matching::{self, NAMESPACE_NAME};
use crate::{context::Context, model::Namespace, selector::LabelSelector};
use std::{collections::BTreeSet, rc::Rc};

/// Namespaces, as far as they are here.
#[derive(Debug, Default)]
pub(crate) struct Namespaces<'a> {
    /// Those that surely are selected.
    pub(crate) selected: BTreeSet<&'a str>,
    /// There may be more: their objects, and so their labels, are not here.
    pub(crate) uncertain: bool,
}

/// The namespaces that a selector selects, looked up once for each selector.
pub(crate) fn selected<'a>(cx: &Context<'a>, selector: &LabelSelector) -> Rc<Namespaces<'a>> {
    if let Some(known) = cx.namespaces.borrow().get(selector) {
        return Rc::clone(known);
    }
    let found = Rc::new(look_up(cx, selector));
    cx.namespaces
        .borrow_mut()
        .insert(selector.clone(), Rc::clone(&found));
    found
}

fn look_up<'a>(cx: &Context<'a>, selector: &LabelSelector) -> Namespaces<'a> {
    let mut found = Namespaces::default();
    for namespace in cx.all::<Namespace>() {
        let name = &*namespace.meta.name;
        let answer = matching::select(selector, |key| {
            Some(if key == NAMESPACE_NAME {
                Some(name)
            } else {
                namespace.meta.labels.get(key)
            })
        });
        match answer {
            Some(true) => {
                found.selected.insert(name);
            }
            Some(false) => {}
            None => found.uncertain = true,
        }
    }
    if cx.on_cluster() {
        found.uncertain |= cx.known(crate::model::Kind::Namespace, "").is_err();
    } else {
        // Manifests seldom hold the Namespace objects; the name alone may decide.
        for name in cx.snapshot.index.namespaces() {
            match matching::namespace_matches(cx, selector, name) {
                Some(true) => {
                    found.selected.insert(name);
                }
                Some(false) => {}
                None => found.uncertain = true,
            }
        }
    }
    found
}
