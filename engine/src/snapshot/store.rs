//! Objects of one view, sorted by namespace, name and origin, so that a look-up is a binary search and every
//! iteration has the same order whatever the order of reading was.
//!
//! Stores are cheap to clone: a snapshot that follows another one shares every object that did not change, and every
//! store in which nothing did.

use super::Objects;
use crate::model::{Kind, Object, Origin, Text, decode::Any};
use std::{collections::HashMap, sync::Arc};

/// Objects of one view.
#[derive(Debug)]
pub struct Store<T> {
    items: Arc<Vec<Arc<T>>>,
    /// Where each namespace begins and ends in `items`.
    namespaces: Arc<HashMap<Text, (u32, u32)>>,
    order: Order,
}

/// What is known about the order of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As it was read.
    None,
    /// Sorted; where namespaces begin has changed.
    Sorted,
    /// Sorted, and namespaces are known.
    Sealed,
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
            items: Arc::default(),
            namespaces: Arc::default(),
            order: Order::Sealed,
        }
    }
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self {
            items: Arc::clone(&self.items),
            namespaces: Arc::clone(&self.namespaces),
            order: self.order,
        }
    }
}

impl<T: Object> Store<T> {
    pub(super) fn push(&mut self, object: T) {
        Arc::make_mut(&mut self.items).push(Arc::new(object));
        self.order = Order::None;
    }

    /// Where the object of this kind, namespace and name is, or where it belongs. Objects of a cluster have one name
    /// each; the store must be sorted.
    fn find(&self, wanted: Name<'_>) -> Result<usize, usize> {
        self.items
            .binary_search_by(|object| name(&**object).cmp(&wanted))
    }

    /// The object with the kind, namespace and name of this one.
    pub(super) fn like(&mut self, object: &T) -> Option<&T> {
        self.sort();
        let at = self.find(name(object)).ok()?;
        Some(&self.items[at])
    }

    /// Puts an object in the place of the one with its kind, namespace and name.
    pub(super) fn put(&mut self, object: T) {
        self.sort();
        let found = self.find(name(&object));
        let items = Arc::make_mut(&mut self.items);
        match found {
            Ok(at) => items[at] = Arc::new(object),
            Err(at) => {
                items.insert(at, Arc::new(object));
                self.order = Order::Sorted;
            }
        }
    }

    /// Takes a live object out. Whether it was there.
    pub(super) fn remove(&mut self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.sort();
        let Ok(at) = self.find((namespace, name, kind, Origin::Live)) else {
            return false;
        };
        Arc::make_mut(&mut self.items).remove(at);
        self.order = Order::Sorted;
        true
    }

    fn sort(&mut self) {
        if self.order == Order::None {
            Arc::make_mut(&mut self.items).sort_by(|a, b| key(&**a).cmp(&key(&**b)));
            self.order = Order::Sorted;
        }
    }

    pub(super) fn seal(&mut self) {
        self.sort();
        if self.order == Order::Sealed {
            return;
        }
        if self.items.capacity() > self.items.len() + self.items.len() / 8 {
            Arc::make_mut(&mut self.items).shrink_to_fit();
        }
        let mut namespaces = HashMap::new();
        let mut from = 0;
        for group in self
            .items
            .chunk_by(|a, b| a.meta().namespace == b.meta().namespace)
        {
            let to = from + u32::try_from(group.len()).unwrap_or(u32::MAX);
            namespaces.insert(group[0].meta().namespace.clone(), (from, to));
            from = to;
        }
        self.namespaces = Arc::new(namespaces);
        self.order = Order::Sealed;
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        if self.items.iter().all(|object| keep(object)) {
            return;
        }
        Arc::make_mut(&mut self.items).retain(|object| keep(object));
        if self.order == Order::Sealed {
            self.order = Order::Sorted;
        }
    }

    /// Changes objects in place, copying those that other snapshots hold as well.
    pub(super) fn edit(&mut self, mut wanted: impl FnMut(&T) -> bool, mut edit: impl FnMut(&mut T))
    where
        T: Clone,
    {
        for at in 0..self.items.len() {
            if wanted(&self.items[at]) {
                edit(Arc::make_mut(&mut Arc::make_mut(&mut self.items)[at]));
            }
        }
    }

    /// Whether the other store is this one, as it was cloned: nothing was put in or taken out since.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.items, &other.items)
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
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self.items.iter())
    }

    /// By position, as indexes hold it.
    pub fn at(&self, position: u32) -> Option<&T> {
        self.items.get(position as usize).map(|object| &**object)
    }

    /// Objects of one namespace.
    pub fn in_namespace(&self, namespace: &str) -> Slice<'_, T> {
        let (from, to) = self.namespaces.get(namespace).copied().unwrap_or_default();
        Slice(&self.items[from as usize..to as usize])
    }

    /// The namespaces that hold objects, in order: a look-up for each, however many objects it holds.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        let next = |object: &&Arc<T>| {
            let (_, end) = self.namespaces.get(&object.meta().namespace)?;
            self.items.get(*end as usize)
        };
        std::iter::successors(self.items.first(), next).map(|object| &*object.meta().namespace)
    }

    /// Objects of one name: several when files hold variants, or when a view stands for several kinds.
    pub fn named(&self, namespace: &str, name: &str) -> Slice<'_, T> {
        let Slice(all) = self.in_namespace(namespace);
        let from = all.partition_point(|object| &*object.meta().name < name);
        let length = all[from..].partition_point(|object| &*object.meta().name == name);
        Slice(&all[from..from + length])
    }
}

/// What tells objects of one view apart, in the order of the store.
type Name<'a> = (&'a str, &'a str, Kind, Origin);

fn name<T: Object>(object: &T) -> Name<'_> {
    let meta = object.meta();
    (&meta.namespace, &meta.name, object.kind(), meta.origin)
}

fn key<T: Object>(object: &T) -> (Name<'_>, &str) {
    (name(object), &object.meta().uid)
}

impl<'a, T: Object> IntoIterator for &'a Store<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Objects that stand beside each other in a store.
#[derive(Debug)]
pub struct Slice<'a, T>(&'a [Arc<T>]);

impl<'a, T> Slice<'a, T> {
    /// All of them.
    pub fn iter(self) -> Iter<'a, T> {
        Iter(self.0.iter())
    }

    /// The first.
    pub fn first(self) -> Option<&'a T> {
        self.0.first().map(|object| &**object)
    }

    /// Number of objects.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Clone for Slice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slice<'_, T> {}

impl<'a, T> IntoIterator for Slice<'a, T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Walks over objects of a store.
#[derive(Debug)]
pub struct Iter<'a, T>(std::slice::Iter<'a, Arc<T>>);

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;
    fn next(&mut self) -> Option<&'a T> {
        self.0.next().map(|object| &**object)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
    fn nth(&mut self, n: usize) -> Option<&'a T> {
        self.0.nth(n).map(|object| &**object)
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|object| &**object)
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}
