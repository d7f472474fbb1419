//! Lines on their way to standard output, so that nobody who logs ever waits for whoever reads.
//!
//! A thread of its own writes. What does not fit into the queue any more is dropped and counted: a log that nobody reads
//! costs lines, never reviews.

use prometheus_client::metrics::counter::Counter;
use std::{
    io::{self, Write},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait: a burst of some thousand lines.
const QUEUE: usize = 1 << 20;

/// How long the last lines may take at the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Standard output is one for the whole process, and so is this.
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Lines that nobody took in time.
pub fn dropped() -> Counter {
    DROPPED.clone()
}

/// Takes lines, each as one write.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    queue: Sender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    dropped: Counter,
}

/// Waits for the last lines when dropped, but not for ever.
#[derive(Debug)]
#[must_use = "the last lines are lost without it"]
pub struct Flush(Arc<AtomicUsize>);

impl Drop for Flush {
    fn drop(&mut self) {
        let begin = Instant::now();
        while self.0.load(Ordering::Acquire) > 0 && begin.elapsed() < LAST_WORDS {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Lines {
    /// Begins to write to `target`.
    pub(super) fn to(
        target: impl Write + Send + 'static,
        dropped: Counter,
    ) -> io::Result<(Self, Flush)> {
        let (queue, lines) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = waiting.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&lines, target, &left))?;
        let flush = Flush(waiting.clone());
        let lines = Self {
            queue,
            waiting,
            dropped,
        };
        Ok((lines, flush))
    }
}

fn write(lines: &Receiver<Vec<u8>>, mut target: impl Write, left: &AtomicUsize) {
    for line in lines {
        // A target that is gone takes no lines; there is nowhere else to say so.
        _ = target.write_all(&line).and_then(|()| target.flush());
        left.fetch_sub(line.len(), Ordering::Release);
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.waiting.fetch_add(line.len(), Ordering::AcqRel);
        let fits = waiting + line.len() <= QUEUE;
        // The thread ends with the process.
        if !fits || self.queue.send(line.to_vec()).is_err() {
            self.waiting.fetch_sub(line.len(), Ordering::AcqRel);
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc::Sender as Tell};

    /// Takes a line when it is told to, and remembers all of them.
    struct Reader {
        told: Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            // Once nobody tells any more, everything is read.
            _ = self.told.recv();
            self.read.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reader() -> (Reader, Tell<()>, Arc<Mutex<Vec<u8>>>) {
        let (tell, told) = channel();
        let read = Arc::new(Mutex::new(Vec::new()));
        let reader = Reader {
            told,
            read: read.clone(),
        };
        (reader, tell, read)
    }

    #[test]
    fn who_logs_never_waits_for_who_reads() {
        let (reader, tell, read) = reader();
        let dropped = Counter::default();
        let (mut lines, flush) = Lines::to(reader, dropped.clone()).unwrap();
        let line = [b'x'; 1 << 10];
        for _ in 0..2_000 {
            lines.write_all(&line).unwrap();
        }
        let lost = usize::try_from(dropped.get()).unwrap();
        assert_eq!(lost, 2_000 - QUEUE / line.len());
        drop(tell);
        drop(flush);
        assert_eq!(read.lock().unwrap().len(), QUEUE, "the rest is not lost");
        lines.write_all(b"once more").unwrap();
        assert_eq!(dropped.get(), lost as u64, "there is room again");
    }

    #[test]
    fn the_end_waits_for_the_last_words_and_not_for_ever() {
        let (reader, tell, read) = reader();
        let (mut lines, flush) = Lines::to(reader, Counter::default()).unwrap();
        lines.write_all(b"last").unwrap();
        let begin = Instant::now();
        drop(flush);
        assert!(begin.elapsed() >= LAST_WORDS);
        assert!(read.lock().unwrap().is_empty());
        drop(tell);
    }
}
