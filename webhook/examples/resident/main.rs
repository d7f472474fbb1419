//! How much memory the webhook's own process needs with a cluster of 10,000 Pods, 13,000 Services and 12,000 Ingresses in
//! its cache, at the end of the first lists and after a while of changes; and how soon after its start it is ready.
//!
//! ```text
//! cargo build --release -p netdoctor-webhook --bins --example resident
//! target/release/examples/resident [SECONDS OF CHANGES]
//! ```
//!
//! The example plays the API server, over plain HTTP, and starts the program beside it as its only client. It prints one
//! line of JSON.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example that prints what it measured"
)]

mod api;
#[path = "../../benches/support/cluster.rs"]
mod cluster;
mod program;

use anyhow::{Context as _, ensure};
use cluster::Size;
use netdoctor_engine::model::Kind;
use program::Program;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What the target of the project names.
const SIZE: Size = Size::LARGE;

/// Changes per second, of status as of declarations: a lively cluster of this size.
const CHANGES: u32 = 50;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).map(|text| text.parse());
    let seconds = seconds.transpose().context("SECONDS")?.unwrap_or(30);
    let api = api::serve(SIZE).await?;
    let began = Instant::now();
    let program = Program::start(api.address)?;
    let ready = ready(&program, began).await?;
    let wanted = Kind::all().filter(|kind| SIZE.of(*kind) > 0 && *kind != Kind::ConfigMap);
    let wanted: usize = wanted.map(|kind| SIZE.of(kind)).sum();
    let cached = until(&program, |objects| objects >= wanted).await?;
    let settled = began.elapsed();
    // The view that holds the last list has been made; what was needed to make it goes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let first = program.memory()?;
    let used = program.processor_seconds()?;

    let changing = Arc::clone(&api.changes);
    let mut sent = 0_u64;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        changing.send_modify(|number| *number += 1);
        sent += 1;
        tokio::time::sleep(Duration::from_secs(1) / CHANGES).await;
    }
    let later = program.memory()?;
    let busy = program.processor_seconds()? - used;
    println!(
        "{{\"readyMilliseconds\":{:.0},\"pods\":{},\"services\":{},\"ingresses\":{},\"objects\":{cached},\"settledSeconds\":{:.2},\"settledProcessorSeconds\":{used:.2},\"residentMiB\":{:.1},\"changes\":{sent},\"residentAfterChangesMiB\":{:.1},\"peakMiB\":{:.1},\"viewBuildMilliseconds\":{:.1},\"processorShare\":{:.3}}}",
        ready.as_secs_f64() * 1000.0,
        SIZE.pods,
        SIZE.services,
        SIZE.ingresses,
        settled.as_secs_f64(),
        first.resident,
        later.resident,
        later.peak,
        program.metric("netdoctor_cache_view_build_seconds").await? * 1000.0,
        busy / f64::from(u32::try_from(seconds.max(1))?),
    );
    Ok(())
}

/// Waits until the program is ready, which does not mean that it has read the cluster.
async fn ready(program: &Program, began: Instant) -> anyhow::Result<Duration> {
    while !program.is_ready().await {
        ensure!(
            began.elapsed() < Duration::from_mins(1),
            "the program is not ready after a minute"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(began.elapsed())
}

/// Waits until the program has so many objects in its cache.
async fn until(program: &Program, enough: impl Fn(usize) -> bool) -> anyhow::Result<usize> {
    let began = Instant::now();
    loop {
        let objects = program.objects().await.unwrap_or(0);
        if enough(objects) {
            return Ok(objects);
        }
        ensure!(
            began.elapsed() < Duration::from_mins(5),
            "the program has cached {objects} objects after five minutes"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
