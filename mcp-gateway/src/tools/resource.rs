//! A resource: something a client reads by URI, fixed or by template (RFC 6570, level 1).

use std::future::Future;

use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use rmcp::model;

use super::definition::Needs;
use crate::{error::ToolError, nextcloud::Client};

/// What a resource holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Text of a media type.
    Text {
        /// The media type.
        mime_type: String,
        /// The text.
        text: String,
    },
    /// Bytes of a media type, in base64.
    Blob {
        /// The media type.
        mime_type: String,
        /// The bytes in base64 (RFC 4648 §4).
        base64: String,
    },
}

impl Contents {
    /// A value as JSON text.
    ///
    /// # Errors
    ///
    /// When the value has no JSON form.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, ToolError> {
        let text = serde_json::to_string(value).map_err(|error| {
            ToolError::failed("The resource could not be written as JSON. Tell the administrator.")
                .because(error)
        })?;
        Ok(Self::Text {
            mime_type: "application/json".to_owned(),
            text,
        })
    }

    /// The contents as MCP sends them.
    #[must_use]
    pub fn into_model(self, uri: &str) -> model::ResourceContents {
        match self {
            Self::Text { mime_type, text } => {
                model::ResourceContents::text(text, uri).with_mime_type(mime_type)
            }
            Self::Blob { mime_type, base64 } => {
                model::ResourceContents::blob(base64, uri).with_mime_type(mime_type)
            }
        }
    }
}

/// The variables of a template, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(&'static str, String)>);

impl Variables {
    /// The value of a variable; empty when the template has none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }
}

type Read =
    dyn Fn(Client, Variables) -> BoxFuture<'static, Result<Contents, ToolError>> + Send + Sync;

/// A resource or a template of resources.
pub struct Resource {
    uri: &'static str,
    name: &'static str,
    title: &'static str,
    description: &'static str,
    mime_type: Option<&'static str>,
    needs: Needs,
    calls: &'static [&'static str],
    read: Box<Read>,
}

impl Resource {
    /// A resource at `uri`; segments such as `{note_id}` make it a template.
    pub fn new<F, Fut>(uri: &'static str, name: &'static str, needs: Needs, read: F) -> Self
    where
        F: Fn(Client, Variables) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Contents, ToolError>> + Send + 'static,
    {
        let read =
            move |client, variables| -> BoxFuture<'static, _> { Box::pin(read(client, variables)) };
        Self {
            uri,
            name,
            title: name,
            description: "",
            mime_type: None,
            needs,
            calls: &[],
            read: Box::new(read),
        }
    }

    /// What people see, and the media type when it is always the same.
    #[must_use]
    pub fn described(
        mut self,
        title: &'static str,
        description: &'static str,
        mime_type: Option<&'static str>,
    ) -> Self {
        (self.title, self.description, self.mime_type) = (title, description, mime_type);
        self
    }

    /// The requests that reading makes at Nextcloud, as [`super::Tool::calls`] has them.
    #[must_use]
    pub fn calls(mut self, calls: &'static [&'static str]) -> Self {
        self.calls = calls;
        self
    }

    /// What [`Resource::calls`] was given.
    #[must_use]
    pub fn nextcloud_calls(&self) -> &'static [&'static str] {
        self.calls
    }

    /// The URI or template.
    #[must_use]
    pub fn uri(&self) -> &'static str {
        self.uri
    }

    /// The name, which the broker's audit shows.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What people see.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What it is, in a sentence or two.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// What a token needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether this is a template.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.uri.contains('{')
    }

    /// The entry of `resources/list`.
    #[must_use]
    pub fn definition(&self) -> model::Resource {
        let entry = model::Resource::new(self.uri, self.name)
            .with_title(self.title)
            .with_description(self.description);
        match self.mime_type {
            Some(mime_type) => entry.with_mime_type(mime_type),
            None => entry,
        }
    }

    /// The entry of `resources/templates/list`.
    #[must_use]
    pub fn template(&self) -> model::ResourceTemplate {
        let entry = model::ResourceTemplate::new(self.uri, self.name)
            .with_title(self.title)
            .with_description(self.description);
        match self.mime_type {
            Some(mime_type) => entry.with_mime_type(mime_type),
            None => entry,
        }
    }

    /// Reads the resource.
    ///
    /// # Errors
    ///
    /// A sentence about what failed.
    pub async fn read(&self, client: Client, variables: Variables) -> Result<Contents, ToolError> {
        (self.read)(client, variables).await
    }

    /// The variables, if `uri` is one of this template.
    #[must_use]
    pub fn matches(&self, uri: &str) -> Option<Variables> {
        let (pattern, given) = (self.uri.split('/'), uri.split('/'));
        if pattern.clone().count() != given.clone().count() {
            return None;
        }
        let mut variables = Vec::new();
        for (pattern, given) in pattern.zip(given) {
            match pattern
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'))
            {
                Some(name) => {
                    let value = percent_decode_str(given).decode_utf8().ok()?;
                    if value.is_empty() {
                        return None;
                    }
                    variables.push((name, value.into_owned()));
                }
                None if pattern == given => {}
                None => return None,
            }
        }
        Some(Variables(variables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(uri: &'static str) -> Resource {
        Resource::new(uri, "test", Needs::AnyScope, |_, _| async {
            Err(ToolError::failed("no"))
        })
    }

    #[test]
    fn a_template_takes_one_segment_for_each_variable() {
        let template = resource("nc://Notes/{note_id}/attachments/{attachment_filename}");
        let variables = template
            .matches("nc://Notes/7/attachments/a%20b.png")
            .expect("match");
        assert_eq!(variables.get("note_id"), "7");
        assert_eq!(variables.get("attachment_filename"), "a b.png");
        for other in [
            "nc://Notes/7",
            "nc://Notes/7/attachments/",
            "nc://Notes/7/attachments/a/b",
            "nc://notes/7/attachments/a",
            "NC://Notes/7/attachments/a",
            "nc://Notes/7/attachments/%ff",
        ] {
            assert_eq!(template.matches(other), None, "{other}");
        }
    }

    #[test]
    fn a_fixed_resource_matches_itself_only() {
        let fixed = resource("notes://settings");
        assert!(!fixed.is_template());
        assert_eq!(
            fixed.matches("notes://settings"),
            Some(Variables::default())
        );
        assert_eq!(fixed.matches("notes://settings/"), None);
    }
}
