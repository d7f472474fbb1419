//! A cache under test.

use netdoctor_engine::model::Kind;
use netdoctor_webhook::cache::{Cache, Options, State, View};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take before the test fails: ten times what a busy two-core machine needs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Options for tests that do not wait.
pub(crate) fn quick() -> Options {
    Options {
        debounce: Duration::from_millis(20),
        recheck: Duration::from_millis(500),
        ..Options::default()
    }
}

/// A cache, and the runtime that it lives in.
pub(crate) struct Watched {
    // Dropped first: its watches end before the runtime does.
    pub(crate) cache: Cache,
    runtime: tokio::runtime::Runtime,
}

impl Watched {
    pub(crate) fn start(kubeconfig: &Path, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self::with(kubeconfig, kinds, quick())
    }

    pub(crate) fn with(
        kubeconfig: &Path,
        kinds: impl IntoIterator<Item = Kind>,
        options: Options,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a test machine can start threads");
        let kinds = kinds.into_iter().collect();
        let cache = runtime.block_on(async {
            let client = netdoctor_tests::client(kubeconfig).await;
            Cache::start(client, kinds, options).await
        });
        Self { cache, runtime }
    }

    /// Watches other kinds.
    pub(crate) fn watch(&self, kinds: impl IntoIterator<Item = Kind>) {
        let _inside = self.runtime.enter();
        self.cache.watch(kinds.into_iter().collect());
    }

    /// Waits for the first answer about every kind.
    pub(crate) fn settled(&self) {
        let settled = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.cache.settled()).await });
        assert!(
            settled.is_ok(),
            "never settled: {:?}",
            self.cache.statuses()
        );
    }

    /// Waits until the view knows what has happened so far.
    pub(crate) fn caught_up(&self) {
        let caught_up = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.cache.caught_up()).await });
        assert!(caught_up.is_ok(), "never caught up");
    }

    /// Waits until a view is as it should be.
    pub(crate) fn until(&self, what: &str, is: impl Fn(&View) -> bool) {
        let start = Instant::now();
        while !is(&self.cache.current()) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited too long for {what}: {:#?}",
                self.cache.statuses()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn state_of(&self, kind: Kind) -> State {
        let statuses = self.cache.statuses();
        let status = statuses.iter().find(|status| status.kind == kind);
        status.expect("the kind is watched").state
    }
}
