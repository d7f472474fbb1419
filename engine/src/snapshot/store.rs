//! Objects of one view, sorted by namespace, name and origin, so that a look-up is a binary search and every
//! iteration has the same order whatever the order of reading was.

use super::Objects;
use crate::model::{Object, Text, decode::Any};
use std::collections::HashMap;

/// Objects of one view.
#[derive(Debug)]
pub struct Store<T> {
    items: Vec<T>,
    /// Where each namespace begins and ends in `items`.
    namespaces: HashMap<Text, (u32, u32)>,
}

/// A view that has a store.
pub trait Stored: Object + Sized + 'static {
    /// Its store.
    fn store(objects: &Objects) -> &Store<Self>;
    /// The view inside an [`Any`].
    fn of(any: &Any) -> Option<&Self>;
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            namespaces: HashMap::new(),
        }
    }
}

impl<T: Object> Store<T> {
    pub(super) fn push(&mut self, object: T) {
        self.items.push(object);
    }

    pub(super) fn seal(&mut self) {
        self.items.sort_by(|a, b| key(a).cmp(&key(b)));
        self.items.shrink_to_fit();
        self.namespaces.clear();
        let mut from = 0;
        for group in self
            .items
            .chunk_by(|a, b| a.meta().namespace == b.meta().namespace)
        {
            let to = from + u32::try_from(group.len()).unwrap_or(u32::MAX);
            self.namespaces
                .insert(group[0].meta().namespace.clone(), (from, to));
            from = to;
        }
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.items.retain(keep);
        self.namespaces.clear();
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.items
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All objects.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// By position, as indexes hold it.
    pub fn at(&self, position: u32) -> Option<&T> {
        self.items.get(position as usize)
    }

    /// Objects of one namespace.
    pub fn in_namespace(&self, namespace: &str) -> &[T] {
        let (from, to) = self.namespaces.get(namespace).copied().unwrap_or_default();
        &self.items[from as usize..to as usize]
    }

    /// Objects of one name: several when files hold variants, or when a view stands for several kinds.
    pub fn named(&self, namespace: &str, name: &str) -> &[T] {
        let all = self.in_namespace(namespace);
        let from = all.partition_point(|object| &*object.meta().name < name);
        let length = all[from..].partition_point(|object| &*object.meta().name == name);
        &all[from..from + length]
    }
}

fn key<T: Object>(object: &T) -> (&str, &str, crate::model::Kind, crate::model::Origin, &str) {
    let meta = object.meta();
    (
        &meta.namespace,
        &meta.name,
        object.kind(),
        meta.origin,
        &meta.uid,
    )
}

impl<'a, T> IntoIterator for &'a Store<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}
