//! How long the webhook takes to judge a review, with clusters of three sizes in its cache.
//!
//! `cargo bench -p netdoctor-webhook --bench evaluate`. The mean that criterion gives hides what an API server waits for
//! now and then, so the slowest of many calls are printed as well, by the clock: other work on the machine is in them.
#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a bench that prints what it measured"
)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/reviews.rs"]
mod reviews;
#[path = "support/world.rs"]
mod world;

use cluster::Size;
use criterion::Criterion;
use jiff::Timestamp;
use netdoctor_engine::{model::ObjectRef, snapshot::Snapshot};
use netdoctor_webhook::{
    admit::{self, Synced, World},
    policy::Policy,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const ROUNDS: usize = 2_000;

struct Cluster {
    snapshot: Snapshot,
    synced: Synced,
    policy: Policy,
    reviews: Vec<(&'static str, Vec<u8>)>,
}

impl Cluster {
    fn new(size: Size) -> Self {
        Self {
            snapshot: world::builder(size).seal(),
            synced: reviews::synced(),
            policy: Policy::parse("profile: guarded").unwrap_or_default(),
            reviews: reviews::reviews(size),
        }
    }

    /// Panics when a review is not one: then nothing would be measured.
    fn judge(&self, review: &[u8]) {
        let changed = |object: &ObjectRef| self.snapshot.meta(object).and_then(|meta| meta.changed);
        let world = World {
            snapshot: &self.snapshot,
            synced: &self.synced,
            policy: &self.policy,
            config: &self.policy.config,
            now: Timestamp::now(),
            changed: &changed,
        };
        let decision = admit::validate(black_box(review), &world);
        assert!(black_box(decision).is_ok(), "a review of the bench is none");
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, size) in [
        ("small", Size::SMALL),
        ("medium", Size::MEDIUM),
        ("large", Size::LARGE),
    ] {
        let cluster = Cluster::new(size);
        let (pods, services, ingresses) = (size.pods, size.services, size.ingresses);
        println!("{name}: {pods} pods, {services} Services, {ingresses} Ingresses");
        percentiles(&cluster);
        for (what, review) in &cluster.reviews {
            let id = format!("evaluate/{name}/{what}");
            criterion.bench_function(&id, |bencher| bencher.iter(|| cluster.judge(review)));
        }
    }
    criterion.final_summary();
}

/// All reviews in turn, so that none finds everything it needs still warm from itself.
fn percentiles(cluster: &Cluster) {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); cluster.reviews.len()];
    for _ in 0..ROUNDS {
        for (number, (_, review)) in cluster.reviews.iter().enumerate() {
            let began = Instant::now();
            cluster.judge(review);
            times[number].push(began.elapsed());
        }
    }
    println!("  {:<36} {:>18}", "", "p50 / p99");
    let line = |name: &str, times: &mut Vec<Duration>| {
        let [a, b] = [0.5, 0.99].map(|part| percentile(times, part).as_micros());
        println!("  {name:<36} {a:>7} / {b:>7} µs");
    };
    let mut all = times.concat();
    for ((name, _), times) in cluster.reviews.iter().zip(&mut times) {
        line(name, times);
    }
    line("all", &mut all);
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position in a list"
    )]
    let position = (times.len() as f64 * part) as usize;
    times.get(position).copied().unwrap_or_default()
}
