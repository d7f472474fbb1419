//! Reads the body of a request within three bounds: its own length, the memory that all bodies may take together, and
//! time.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// A body that is not kept still has its first bytes read: they hold the uid.
const PREFIX: usize = 4 << 10;

/// Memory that all requests share.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Semaphore>);

/// A part of that memory, free again when dropped.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Memory {
    /// Room for this many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Adds so much to what is held, if there is so much.
    pub(super) fn take(&self, bytes: usize, held: &mut Held) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else {
            return false;
        };
        let Ok(permit) = self.0.clone().try_acquire_many_owned(bytes) else {
            return false;
        };
        match &mut held.0 {
            Some(all) => all.merge(permit),
            none => *none = Some(permit),
        }
        true
    }
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    /// Everything, and the memory it takes.
    Whole(Bytes, Held),
    /// There was no memory left: the first bytes.
    Crowded(Bytes),
    /// It did not arrive in time: the first bytes.
    Late(Bytes),
    /// It is longer than a review can be.
    TooLong,
    /// The connection broke, or the framing did.
    Broken,
}

/// Reads a body of at most `longest` bytes until `deadline`.
pub(super) async fn read(body: Body, longest: usize, memory: &Memory, deadline: Instant) -> Read {
    let mut reader = Reader {
        kept: BytesMut::new(),
        held: Held::default(),
        crowded: false,
        length: 0,
    };
    match timeout_at(deadline, reader.read(body, longest, memory)).await {
        Err(_) => Read::Late(reader.prefix()),
        Ok(Err(Broken)) => Read::Broken,
        Ok(Ok(())) if reader.length > longest => Read::TooLong,
        Ok(Ok(())) if reader.crowded => Read::Crowded(reader.prefix()),
        Ok(Ok(())) => Read::Whole(reader.kept.freeze(), reader.held),
    }
}

struct Reader {
    kept: BytesMut,
    held: Held,
    crowded: bool,
    length: usize,
}

struct Broken;

impl Reader {
    /// A body that is too long is read on for a while, and thrown away: a client that is still sending when the
    /// connection closes sees a reset instead of the answer.
    async fn read(
        &mut self,
        mut body: Body,
        longest: usize,
        memory: &Memory,
    ) -> Result<(), Broken> {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Broken)?.into_data() else {
                continue; // trailers
            };
            self.length += data.len();
            if self.length > 2 * longest {
                return Ok(());
            }
            self.keep(&data, longest, memory);
        }
        Ok(())
    }

    fn keep(&mut self, data: &Bytes, longest: usize, memory: &Memory) {
        if !self.crowded && self.length <= longest && memory.take(data.len(), &mut self.held) {
            self.kept.extend_from_slice(data);
            return;
        }
        self.crowded = true;
        let room = PREFIX.saturating_sub(self.kept.len()).min(data.len());
        self.kept
            .extend_from_slice(data.get(..room).unwrap_or_default());
        if self.held.0.is_some() {
            self.kept = BytesMut::from(self.kept.get(..PREFIX).unwrap_or(&self.kept));
            self.held = Held::default();
        }
    }

    fn prefix(&self) -> Bytes {
        Bytes::copy_from_slice(self.kept.get(..PREFIX).unwrap_or(&self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::{convert::Infallible, time::Duration};

    fn chunks(sizes: &[usize]) -> Body {
        let chunks: Vec<Result<Bytes, Infallible>> = sizes
            .iter()
            .map(|size| Ok(Bytes::from(vec![b'x'; *size])))
            .collect();
        Body::from_stream(stream::iter(chunks))
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn keeps_what_fits_and_counts_it_until_dropped() {
        let memory = Memory::new(10_000);
        let Read::Whole(bytes, held) = read(chunks(&[3_000, 2_000]), 8_000, &memory, later()).await
        else {
            panic!("whole");
        };
        assert_eq!(bytes.len(), 5_000);
        assert_eq!(memory.0.available_permits(), 5_000);
        let crowded = read(chunks(&[3_000, 3_000]), 8_000, &memory, later()).await;
        assert!(matches!(crowded, Read::Crowded(prefix) if prefix.len() == PREFIX));
        assert_eq!(memory.0.available_permits(), 5_000, "nothing is kept of it");
        drop(held);
        assert_eq!(memory.0.available_permits(), 10_000);
    }

    #[tokio::test]
    async fn stops_at_its_own_length() {
        let memory = Memory::new(1 << 20);
        let exact = read(chunks(&[4_000, 4_000]), 8_000, &memory, later()).await;
        assert!(matches!(&exact, Read::Whole(bytes, _) if bytes.len() == 8_000));
        drop(exact);
        for sizes in [&[8_001][..], &[4_000, 4_001], &[8_000; 1_000]] {
            let read = read(chunks(sizes), 8_000, &memory, later()).await;
            assert!(matches!(read, Read::TooLong));
        }
        assert_eq!(memory.0.available_permits(), 1 << 20);
    }

    #[tokio::test]
    async fn gives_the_first_bytes_of_what_does_not_arrive_in_time() {
        let memory = Memory::new(1 << 20);
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{\"request\":"))]);
        let never = stream::pending();
        let body = Body::from_stream(futures_util::StreamExt::chain(first, never));
        let deadline = Instant::now() + Duration::from_millis(50);
        let late = read(body, 8_000, &memory, deadline).await;
        assert!(matches!(late, Read::Late(bytes) if &bytes[..] == b"{\"request\":"));
        assert_eq!(memory.0.available_permits(), 1 << 20);
    }

    #[tokio::test]
    async fn a_broken_body_is_not_a_short_one() {
        let broken = stream::iter([Ok(Bytes::from_static(b"{}")), Err("connection reset")]);
        let read = read(
            Body::from_stream(broken),
            8_000,
            &Memory::new(9_000),
            later(),
        )
        .await;
        assert!(matches!(read, Read::Broken));
    }
}
