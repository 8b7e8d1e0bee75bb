//! The query of `/oauth/authorize`, parsed once (RFC 6749 §3.1, §4.1.1).

use std::collections::BTreeMap;

/// Longer queries are no login: real ones stay far below.
const MAX_QUERY: usize = 16 * 1024;

/// An authorization request as it came, before any judgement but those on its form.
#[derive(Debug, Default)]
pub struct AuthorizationRequest {
    parameters: BTreeMap<String, String>,
    resources: Vec<String>,
    repeated: Option<String>,
    is_too_long: bool,
}

impl AuthorizationRequest {
    /// Parses a query string. Empty parameters count as absent (RFC 6749 §3.1). Of repeated ones
    /// the first is kept, so that the answer can find its way, and the fact is remembered.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut request = Self {
            is_too_long: query.len() > MAX_QUERY,
            ..Self::default()
        };
        if request.is_too_long {
            return request;
        }
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            // RFC 8707 §2 lets this one be repeated; whether the values agree is judged later.
            if name == "resource" {
                request.resources.push(value.into_owned());
            } else if request.parameters.contains_key(name.as_ref()) {
                request.repeated.get_or_insert_with(|| name.into_owned());
            } else {
                request
                    .parameters
                    .insert(name.into_owned(), value.into_owned());
            }
        }
        request
    }

    /// The parameter's value, absent when empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The resources asked for (RFC 8707), in order, with repeats.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Whether the client or where to answer cannot be told with certainty.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.is_too_long || matches!(self.repeated.as_deref(), Some("client_id" | "redirect_uri"))
    }

    /// Whether a parameter that may appear once appears more often (RFC 6749 §3.1).
    #[must_use]
    pub fn has_repeats(&self) -> bool {
        self.repeated.is_some()
    }

    /// Whether the client wants the user to be asked something (OIDC Core §3.1.2.1), whatever he
    /// was asked before.
    #[must_use]
    pub fn wants_interaction(&self) -> bool {
        self.get("prompt").is_some() || self.get("max_age").is_some()
    }

    /// The client's `state`, to be returned unchanged; none when it gave two.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self.repeated.as_deref() {
            Some("state") => None,
            _ => self.get("state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parameters_are_absent() {
        let request = AuthorizationRequest::parse("state=&scope=a&scope=&resource=");
        assert_eq!(request.state(), None);
        assert_eq!(request.get("scope"), Some("a"));
        assert!(request.resources().is_empty());
        assert!(!request.has_repeats());
    }

    #[test]
    fn repeats_are_noticed_but_for_resource() {
        assert!(AuthorizationRequest::parse("scope=a&scope=a").has_repeats());
        assert!(AuthorizationRequest::parse("unknown=a&unknown=b").has_repeats());
        let request = AuthorizationRequest::parse("resource=a&resource=b");
        assert!(!request.has_repeats());
        assert_eq!(request.resources(), ["a", "b"]);
    }

    #[test]
    fn a_repeat_that_decides_where_the_answer_goes_is_ambiguous() {
        assert!(AuthorizationRequest::parse("client_id=a&client_id=a").is_ambiguous());
        assert!(AuthorizationRequest::parse("redirect_uri=a&redirect_uri=b").is_ambiguous());
        assert!(!AuthorizationRequest::parse("scope=a&scope=b").is_ambiguous());
        assert!(AuthorizationRequest::parse(&"a".repeat(MAX_QUERY + 1)).is_ambiguous());
    }

    #[test]
    fn the_state_is_kept_to_the_letter_and_dropped_when_given_twice() {
        let request = AuthorizationRequest::parse("state=a%20b%2Bc%26d%3De+f%C3%A9");
        assert_eq!(request.state(), Some("a b+c&d=e fé"));
        assert_eq!(AuthorizationRequest::parse("state=a&state=b").state(), None);
    }
}
