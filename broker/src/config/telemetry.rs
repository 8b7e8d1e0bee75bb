//! `[telemetry]`: who is told about requests, besides the log.

use url::Url;

use super::read::Section;

/// `[telemetry]`.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// The base URL of an `OpenTelemetry` collector, which takes spans at `/v1/traces` below it
    /// (OTLP/HTTP).
    ///
    /// Default: none, and no spans. `BROKER__TELEMETRY__OTLP_ENDPOINT`. Set it to see in one trace what
    /// an agent's call took where; plain `http` is for a collector close by.
    pub otlp_endpoint: Option<Url>,
}

impl Telemetry {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let otlp_endpoint = section.optional("otlp_endpoint");
        section.finish();
        Self { otlp_endpoint }
    }
}
