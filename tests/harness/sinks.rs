//! The places where a token could have been left behind, and a search through them.

use anyhow::Result;

use crate::deployment::Deployment;
use crate::http::Transcript;

/// What was found lying around, by place.
#[derive(Clone, Debug)]
pub struct Sinks(Vec<(&'static str, String)>);

impl Sinks {
    /// The database files, the logs of all processes, and every answer that clients have seen.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn collect(deployment: &Deployment, transcript: &Transcript) -> Result<Self> {
        Ok(Self(vec![
            ("database", deployment.database_bytes()?),
            ("logs", deployment.logs()),
            ("answers to clients", transcript.all()),
        ]))
    }

    /// The places in which `needle` lies.
    #[must_use]
    pub fn with(&self, needle: &str) -> Vec<&'static str> {
        self.0
            .iter()
            .filter(|(_, text)| text.contains(needle))
            .map(|(name, _)| *name)
            .collect()
    }

    /// How many bytes each place holds: an empty one proves nothing.
    #[must_use]
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        self.0
            .iter()
            .map(|(name, text)| (*name, text.len()))
            .collect()
    }
}
