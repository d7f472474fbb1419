//! One tokio runtime behind the blocking interfaces of this crate, so that a test is a plain `#[test]`.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The runtime of this process. It lives as long as the process does.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("netdoctor-tests")
            .enable_all()
            .build()
            .expect("a test machine can start threads")
    })
}
