//! Large files in parts: collected in a folder of their own, then put together in one move.
//!
//! The file at the destination appears or changes in that last step alone, and only if it is still
//! as the condition says. Whatever ends the upload before that, its parts are deleted.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use uuid::Uuid;

use super::{
    client::Client,
    dav::{method, quoted, value},
    error::Error,
    path::{FilePath, Route},
    request::Request,
    webdav::{Condition, DESTINATION, IF, OVERWRITE, Written, written},
};

/// The largest content that is sent in one request, in bytes.
const WHOLE: usize = 20 << 20;
/// The size of a part in bytes: S3 behind Nextcloud takes none below 5 MiB but the last.
const PART: usize = 10 << 20;
/// Without it Nextcloud puts together whatever parts are there, none included.
const OC_TOTAL_LENGTH: HeaderName = HeaderName::from_static("oc-total-length");

/// Whether content of this size is sent in parts.
pub(super) fn is_large(content: &Bytes) -> bool {
    content.len() > WHOLE
}

impl Client {
    /// Writes a large file under a condition, as [`Client::write`] does a small one.
    pub(super) async fn upload(
        &self,
        path: &FilePath,
        content: &Bytes,
        condition: &Condition,
    ) -> Result<Written, Error> {
        let user = self.user_id().await?;
        let target = self.url(&self.file(path).await?);
        let destination = value(&target)?;
        let total = HeaderValue::from(content.len());
        let folder = format!("mcp-gateway-{}", Uuid::new_v4());
        let folder = Route::dav(["uploads", user.as_ref(), folder.as_str()]);
        let request = |method, route| {
            Request::new(method, route)
                .header(DESTINATION, destination.clone())
                .header(OC_TOTAL_LENGTH, total.clone())
        };

        self.send(&request(method(b"MKCOL")?, folder.clone()))
            .await?;
        let cleanup = Cleanup::of(self.clone(), folder.clone());
        let mut sent = 0;
        // Their names are put in natural order, and 10,000 is the last that object storage takes.
        for (number, part) in (1_u32..).zip(content.chunks(PART)) {
            let route = folder.clone().join([number.to_string().as_str()]);
            let body = content.slice_ref(part);
            let content_type = HeaderValue::from_static("application/octet-stream");
            self.send(&request(Method::PUT, route).body(content_type, body))
                .await?;
            sent += part.len();
            self.progress()
                .report(sent, Some(content.len()), || {
                    format!("{} of {} MiB are sent", sent >> 20, content.len() >> 20)
                })
                .await;
        }
        let assemble = request(method(b"MOVE")?, folder.join([".file"]));
        let assemble = match condition {
            Condition::Absent => assemble.header(OVERWRITE, HeaderValue::from_static("F")),
            Condition::Unchanged(etag) => assemble
                .header(OVERWRITE, HeaderValue::from_static("T"))
                .header(IF, value(&format!("<{target}> ([{}])", quoted(etag)))?),
        };
        let answer = self.send(&assemble).await?;
        cleanup.cancel();
        Ok(written(&answer))
    }
}

/// Deletes the parts when the upload does not reach its end, for whatever reason: an error, a
/// deadline, a caller that went away.
struct Cleanup(Option<(Client, Route)>);

impl Cleanup {
    fn of(client: Client, folder: Route) -> Self {
        Self(Some((client, folder)))
    }

    /// Putting the parts together has deleted them.
    fn cancel(mut self) {
        self.0 = None;
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let (Some((client, folder)), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        // In a task of its own: nobody may be left who would wait for it.
        runtime.spawn(async move {
            let request = Request::new(Method::DELETE, folder);
            if let Err(error) = client.send(&request).await {
                tracing::warn!(%error, "the parts of an upload that was given up are still there");
            }
        });
    }
}
