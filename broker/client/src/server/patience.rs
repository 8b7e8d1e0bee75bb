//! A stream that gives up on a client which has begun a request and does not come to its end.
//!
//! Under TLS it stands outside and sees what was decrypted: a record that does not come to its end is
//! no request yet, and has the time of a connection without one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Whether a request is being answered; shared by a stream and what serves it. Counts the changes, of
/// which the stream need not see each: odd while a request is being answered.
#[derive(Clone, Default)]
pub(super) struct Phase(Arc<AtomicU64>);

impl Phase {
    /// The head of a request is complete.
    pub(super) fn busy(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Its answer has begun; what comes now is the next one.
    pub(super) fn idle(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A stream whose reads fail when the head of a request takes too long.
pub(super) struct Patient<S> {
    stream: S,
    phase: Phase,
    /// The phase at the last read.
    seen: u64,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether a request has begun and `timer` runs.
    begun: bool,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, phase: Phase, patience: Duration) -> Self {
        Self {
            stream,
            phase,
            seen: 0,
            patience,
            timer: Box::pin(sleep(patience)),
            begun: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let now = this.phase.now();
        if now != this.seen {
            // The head that had begun is complete, and perhaps answered since.
            (this.seen, this.begun) = (now, false);
        }
        if now % 2 == 1 {
            // The body: its time is the routes' matter.
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() && buffer.filled().len() > before && !this.begun {
            this.begun = true;
            let end = Instant::now() + this.patience;
            this.timer.as_mut().reset(end);
        }
        // Asked also when something came: a byte now and then must not buy time.
        if this.begun && this.timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
