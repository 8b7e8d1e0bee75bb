//! The form that token and revocation requests come as.

use broker_client::oauth::OAuthError;

/// The parameters of a form, each at most once where the RFCs say so.
///
/// An empty parameter counts as absent (RFC 6749 §3.2). Has no `Debug` on purpose: it holds codes,
/// tokens and secrets.
pub struct Form(Vec<(String, String)>);

/// The parameters that may be repeated (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// `invalid_request` when it is no form, or repeats a parameter (RFC 6749 §3.2).
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).map_err(|error| {
            OAuthError::invalid_request("The body is not a form.").because(error)
        })?;
        let repeated = pairs.iter().enumerate().any(|(position, (name, _))| {
            !REPEATABLE.contains(&name.as_str())
                && pairs
                    .iter()
                    .take(position)
                    .any(|(earlier, _)| earlier == name)
        });
        if repeated {
            return Err(OAuthError::invalid_request(
                "A parameter is given twice; only resource and audience may be repeated.",
            ));
        }
        Ok(Self(
            pairs
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        ))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` when it is not.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::invalid_request(format!("The parameter {name} is missing.")))
    }
}

#[cfg(test)]
mod tests {
    use broker_client::oauth::ErrorCode;

    use super::*;

    #[test]
    fn an_empty_parameter_is_absent() {
        let form = Form::parse(b"code=&grant_type=refresh_token").unwrap();
        assert_eq!(form.get("code"), None);
        assert_eq!(form.get("grant_type"), Some("refresh_token"));
        assert_eq!(
            form.require("code").err().map(|error| error.code()),
            Some(ErrorCode::InvalidRequest)
        );
    }

    #[test]
    fn only_resource_and_audience_may_be_repeated() {
        let form = Form::parse(b"resource=a&resource=b&audience=c&audience=d").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        for body in ["code=1&code=1", "scope=&scope=a", "unknown=1&unknown=2"] {
            assert!(Form::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
