//! A generated cluster as the cache holds it.

use super::cluster::Size;
use jiff::Timestamp;
use netdoctor_engine::{
    model::{Kind, decode},
    rules::RULES,
    snapshot::{Builder, Coverage, Source},
};
use netdoctor_webhook::{cache, policy::Policy};

/// The builder that a cache of this cluster has, everything listed.
pub(crate) fn builder(size: Size) -> Builder {
    let mut builder = Builder::new(Source::Cluster);
    for kind in cache::kinds(&RULES, &Policy::default().config) {
        *builder.coverage(kind) = Coverage::complete();
        for number in 0..size.of(kind) {
            builder.insert(object(size, kind, number));
        }
    }
    builder
}

/// One object as a watch delivers it, changed long ago.
fn object(size: Size, kind: Kind, number: usize) -> decode::Any {
    let mut any = decode::from_slice(kind, size.json(kind, number).as_bytes());
    any.meta_mut().changed = Some(Timestamp::UNIX_EPOCH);
    any
}
