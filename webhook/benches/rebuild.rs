//! What it costs to make the next view of a cluster of which something has changed.
//!
//! `cargo bench -p netdoctor-webhook --bench rebuild`. The cache does this in the background, at most every 200 ms and at
//! most a tenth of the time; requests go on with the view before.
#![allow(missing_docs, reason = "a bench has no documentation")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/world.rs"]
mod world;

use cluster::Size;
use criterion::{BatchSize, Criterion};
use netdoctor_engine::{
    model::{Kind, decode},
    snapshot::{Difference, Snapshot},
};
use std::{cell::RefCell, hint::black_box};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for (name, size) in [("medium", Size::MEDIUM), ("large", Size::LARGE)] {
        let builder = RefCell::new(world::builder(size));
        let first = builder.borrow_mut().fork().seal();
        criterion.bench_function(&format!("rebuild/{name}/everything"), |bencher| {
            bencher.iter(|| {
                let fork = builder.borrow_mut().fork();
                black_box(fork.seal_after(&Snapshot::default()))
            });
        });
        for kind in [
            Kind::Pod,
            Kind::Deployment,
            Kind::Service,
            Kind::Ingress,
            Kind::Node,
        ] {
            let id = format!("rebuild/{name}/one {kind} changed");
            let mut round = 0;
            criterion.bench_function(&id, |bencher| {
                let change = || {
                    round += 1;
                    let difference = builder.borrow_mut().replace(changed(size, kind, round));
                    assert_eq!(difference, Difference::Declaration);
                };
                let rebuild = |()| {
                    let fork = builder.borrow_mut().fork();
                    black_box(fork.seal_after(&first))
                };
                bencher.iter_batched(change, rebuild, BatchSize::PerIteration);
            });
        }
    }
    criterion.final_summary();
}

/// The first object of a kind with a label that it did not have before.
fn changed(size: Size, kind: Kind, round: usize) -> decode::Any {
    let text = size.json(kind, 0);
    let label = format!(r#""labels":{{"round":"{round}","#);
    decode::from_slice(kind, text.replacen(r#""labels":{"#, &label, 1).as_bytes())
}
