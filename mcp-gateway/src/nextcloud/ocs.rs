//! The OCS API: an envelope with a status of its own around the data.

use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

use super::{client::Client, error::Error, request::Request};

#[derive(Deserialize)]
struct Envelope<T> {
    ocs: Body<T>,
}

#[derive(Deserialize)]
struct Body<T> {
    meta: Meta,
    data: T,
}

#[derive(Deserialize)]
struct Meta {
    statuscode: u32,
}

/// Success is 100 in version 1 and 200 in version 2 of the API.
const OK: [u32; 2] = [100, 200];
/// The route, and with it the app, does not exist.
const UNKNOWN_ROUTE: u32 = 998;

impl Client {
    /// Sends a request to the OCS API and returns what is in the envelope.
    ///
    /// # Errors
    ///
    /// As [`Client::json`]; [`Error::AppMissing`] for an unknown route.
    pub async fn ocs<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        let answer = match self.send(&request.query("format", "json")).await {
            Ok(answer) => answer,
            Err(Error::Refused(answer)) if answer.status == StatusCode::NOT_FOUND => {
                let unknown = answer
                    .json::<Envelope<serde_json::Value>>()
                    .is_ok_and(|envelope| envelope.ocs.meta.statuscode == UNKNOWN_ROUTE);
                return Err(if unknown {
                    Error::AppMissing
                } else {
                    Error::Refused(answer)
                });
            }
            Err(error) => return Err(error),
        };
        // Meta first: the data of a failure is an empty list, whatever was asked for.
        let envelope: Envelope<serde_json::Value> = answer.json()?;
        match envelope.ocs.meta.statuscode {
            code if OK.contains(&code) => serde_json::from_value(envelope.ocs.data)
                .map_err(|_| Error::Malformed("OCS data of another shape")),
            UNKNOWN_ROUTE => Err(Error::AppMissing),
            _ => Err(Error::Refused(Box::new(answer))),
        }
    }
}
