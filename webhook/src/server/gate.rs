//! Where judging happens: on as many threads as there are CPUs, never on the ones that accept and read.
//!
//! ```text
//!  request --queue full--> shed
//!     |----deadline while waiting or judging--> late (the thread goes on, its result is dropped, its place stays taken)
//!     +----> judged | panicked
//! ```

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

/// What became of a piece of work.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ran<T> {
    /// It is done.
    Done(T),
    /// It panicked.
    Panicked,
    /// There was no room to wait.
    Shed,
    /// The deadline came first.
    Late,
}

/// Bounded concurrency with a bounded queue.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workers: usize,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    running: Mutex<BTreeMap<u64, Instant>>,
    started: AtomicU64,
}

impl Gate {
    /// `workers` at once, and `queue` more that wait.
    pub fn new(workers: usize, queue: usize) -> Self {
        let workers = workers.max(1);
        Self(Arc::new(Inner {
            workers,
            free: Arc::new(Semaphore::new(workers)),
            waiting: AtomicUsize::new(0),
            queue,
            running: Mutex::default(),
            started: AtomicU64::new(0),
        }))
    }

    /// Whether every worker has been busy with the same piece of work for longer than `limit`: nothing but a restart
    /// gets them back.
    pub fn stuck(&self, limit: Duration) -> bool {
        let running = self.0.lock();
        running.len() >= self.0.workers && running.values().all(|since| since.elapsed() > limit)
    }

    /// Runs a piece of work on a thread of its own, unless the deadline comes first.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Ran<T> {
        let permit = match self.permit(deadline).await {
            Ok(permit) => permit,
            Err(missed) => return missed,
        };
        let running = Running::start(&self.0);
        let task = spawn_blocking(move || {
            let _held_until_done = (permit, running);
            if Instant::now() >= deadline {
                return None;
            }
            // What `work` has borrowed is not looked at again after a panic.
            Some(catch_unwind(AssertUnwindSafe(work)))
        });
        match timeout_at(deadline, task).await {
            Ok(Ok(Some(Ok(value)))) => Ran::Done(value),
            Ok(Ok(Some(Err(_))) | Err(_)) => Ran::Panicked,
            Ok(Ok(None)) | Err(_) => Ran::Late,
        }
    }
}

impl Gate {
    /// A worker, at once or after a wait in the queue.
    async fn permit<T>(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Ran<T>> {
        if let Ok(permit) = self.0.free.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let Some(_place) = Place::take(&self.0) else {
            return Err(Ran::Shed);
        };
        match timeout_at(deadline, self.0.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Ran::Late),
        }
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, given back when dropped.
struct Place<'g>(&'g Inner);

impl<'g> Place<'g> {
    fn take(inner: &'g Inner) -> Option<Self> {
        let before = inner.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(inner);
        (before < inner.queue).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An entry in the list of what is running.
struct Running {
    inner: Arc<Inner>,
    number: u64,
}

impl Running {
    fn start(inner: &Arc<Inner>) -> Self {
        let number = inner.started.fetch_add(1, Ordering::Relaxed);
        inner.lock().insert(number, Instant::now());
        Self {
            inner: inner.clone(),
            number,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(200)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_is_caught_and_frees_the_worker() {
        let gate = Gate::new(1, 0);
        for _ in 0..3 {
            let ran: Ran<()> = gate.run(later(), || panic!("of a rule")).await;
            assert_eq!(ran, Ran::Panicked);
        }
        assert_eq!(gate.run(later(), || 7).await, Ran::Done(7));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn late_work_keeps_its_place_until_it_is_done() {
        let gate = Gate::new(1, 1);
        let (go, wait) = mpsc::channel::<()>();
        let ran = gate
            .run(soon(), move || {
                _ = wait.recv();
            })
            .await;
        assert_eq!(ran, Ran::Late);
        // The thread is still at it: a second one waits in vain, a third finds the queue full.
        let (second, third) = tokio::join!(gate.run(soon(), || 2), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            gate.run(soon(), || 3).await
        });
        assert_eq!((second, third), (Ran::Late, Ran::Shed));
        assert!(gate.stuck(Duration::from_millis(10)));
        assert!(!gate.stuck(Duration::from_mins(1)));
        go.send(()).unwrap();
        assert_eq!(gate.run(later(), || 4).await, Ran::Done(4));
        assert!(!gate.stuck(Duration::ZERO), "nothing runs");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_than_the_workers_run_at_once() {
        let gate = Gate::new(2, 100);
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let deadline = later();
        let runs = (0..20).map(|_| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            tokio::spawn(async move {
                let work = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                gate.run(deadline, work).await
            })
        });
        for run in runs.collect::<Vec<_>>() {
            assert_eq!(run.await.unwrap(), Ran::Done(()));
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }
}
