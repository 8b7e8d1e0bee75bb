//! What is left of a request's body when its answer is there already, such as that its token is bad.
//!
//! A client that is still sending meets a closed connection, and loses the answer or its next request.
//! So the rest is read, within bounds, before the answer goes out; where it is too much, the answer
//! says that the connection ends with it (RFC 9112 §9.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The most that is read for nothing, in bytes: more than any route here takes.
const MOST: usize = 1024 * 1024;

/// A body that comes back when it is dropped before its end.
pub(super) struct Lent {
    body: Option<Incoming>,
    back: Leftover,
}

/// Where it comes back to.
#[derive(Clone, Default)]
pub(super) struct Leftover(Arc<Mutex<Option<Incoming>>>);

impl Leftover {
    /// Hands out `body`.
    pub(super) fn of(body: Incoming) -> (Lent, Self) {
        let back = Self::default();
        let lent = Lent {
            body: Some(body),
            back: back.clone(),
        };
        (lent, back)
    }

    /// Reads what is left, and says whether that was all of it.
    pub(super) async fn read(self, patience: Duration) -> bool {
        let Some(mut body) = self.take() else {
            return true;
        };
        let read = async {
            let mut room = MOST;
            while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
            {
                let length = frame.ok()?.data_ref().map_or(0, Bytes::remaining);
                room = room.checked_sub(length)?;
            }
            Some(())
        };
        matches!(tokio::time::timeout(patience, read).await, Ok(Some(())))
    }

    /// Whether anything is left.
    pub(super) fn is_some(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_some()
    }

    fn take(&self) -> Option<Incoming> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.take()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        *self.back.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::new, Body::size_hint)
    }
}
