//! A tool: what a model is told about it, what a token needs for it, and what it does.
//!
//! Owns how arguments become a typed value and a result structured content. The order of a call
//! is fixed here: the arguments are checked before a credential is asked for.

use std::{future::Future, sync::Arc};

use broker_client::oauth::Scope;
use futures_util::future::BoxFuture;
use rmcp::{
    handler::server::tool::{schema_for_input, schema_for_output},
    model::{self, CallToolResult, JsonObject, ToolAnnotations},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{error::ToolError, nextcloud::Client};

/// Which scopes a token needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// At least one scope of this server, whichever: for what every user of it may know, namely
    /// who they are and what the server can do. A token without any scope gets nothing.
    AnyScope,
    /// All of these.
    All(&'static [&'static str]),
}

impl Needs {
    /// The scopes that are named.
    #[must_use]
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::AnyScope => &[],
            Self::All(scopes) => scopes,
        }
    }

    /// The scopes that are named, as the broker is asked for them.
    #[must_use]
    pub fn to_scope(self) -> Scope {
        // Only the constants of the families come here; a bad one would ask for nothing.
        Scope::from_tokens(self.scopes()).unwrap_or_default()
    }
}

/// What a tool does to the user's data; the four hints of MCP follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Read,
    /// It adds or changes; twice is not the same as once.
    Write,
    /// It adds or changes; twice is the same as once.
    WriteIdempotent,
    /// It takes something away; twice is the same as once.
    Delete,
}

impl Effect {
    fn annotations(self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(self == Self::Read)
            .destructive(self == Self::Delete)
            .idempotent(self != Self::Write)
            // Nextcloud is a world of its own that others change too.
            .open_world(true)
    }
}

/// The rest of a call, once its arguments are good.
pub(crate) type Job =
    Box<dyn FnOnce(Client) -> BoxFuture<'static, Result<CallToolResult, ToolError>> + Send>;

type Prepare = dyn Fn(JsonObject) -> Result<Job, ToolError> + Send + Sync;

/// A tool.
pub struct Tool {
    definition: model::Tool,
    needs: Needs,
    effect: Effect,
    prepare: Box<Prepare>,
}

impl Tool {
    /// A tool that is described by its arguments' type, its result's type and its function.
    pub fn new<A, O, F, Fut>(name: &'static str, effect: Effect, needs: Needs, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema + 'static,
        F: Fn(Client, A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
    {
        let prepare = move |arguments: JsonObject| {
            let arguments: A =
                serde_json::from_value(Value::Object(arguments)).map_err(|error| {
                    ToolError::invalid(format!(
                        "The arguments of {name} cannot be used: {error}. Look at the tool's input \
                     schema and call it again."
                    ))
                })?;
            let run = run.clone();
            let job: Job = Box::new(move |client| {
                Box::pin(async move { structured(&run(client, arguments).await?) })
            });
            Ok(job)
        };
        // Argument types are structs, whose schema is an object; `catalog`'s test would tell.
        let input_schema = schema_for_input::<A>().unwrap_or_default();
        let definition = model::Tool::new(name, "", portable(input_schema))
            .with_raw_output_schema(portable(schema_for_output::<O>()))
            .with_annotations(effect.annotations());
        Self {
            definition,
            needs,
            effect,
            prepare: Box::new(prepare),
        }
    }

    /// What people see: a short title, and for the model when and how to use the tool.
    #[must_use]
    pub fn described(mut self, title: &'static str, description: &'static str) -> Self {
        self.definition.annotations = self.definition.annotations.map(|mut annotations| {
            annotations.title = Some(title.to_owned());
            annotations
        });
        self.definition.title = Some(title.to_owned());
        self.definition.description = Some(description.into());
        self
    }

    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What a token needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// What the tool does to the user's data.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The tool as `tools/list` shows it.
    #[must_use]
    pub fn definition(&self) -> &model::Tool {
        &self.definition
    }

    /// Checks the arguments.
    ///
    /// # Errors
    ///
    /// A sentence about the argument that cannot be used.
    pub(crate) fn prepare(&self, arguments: JsonObject) -> Result<Job, ToolError> {
        (self.prepare)(arguments)
    }
}

/// The schema without the number formats that only Rust knows (`uint64`).
///
/// JSON Schema has formats of strings alone (2020-12 validation, §7.3); clients warn about others at
/// every list, and some refuse the tool.
fn portable(schema: Arc<JsonObject>) -> Arc<JsonObject> {
    let mut schema = Value::Object(Arc::unwrap_or_clone(schema));
    drop_number_formats(&mut schema);
    match schema {
        Value::Object(schema) => Arc::new(schema),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Arc::default()
        }
    }
}

fn drop_number_formats(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_string = members.get("type").is_some_and(|kind| {
                let mut kinds = kind
                    .as_array()
                    .map_or(std::slice::from_ref(kind), Vec::as_slice)
                    .iter();
                kinds.any(|kind| kind == "string")
            });
            // A property may be called `format` too; then its value is a schema.
            if !is_string && members.get("format").is_some_and(Value::is_string) {
                members.remove("format");
            }
            members.values_mut().for_each(drop_number_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_number_formats),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn structured(output: &impl Serialize) -> Result<CallToolResult, ToolError> {
    serde_json::to_value(output)
        .map(CallToolResult::structured)
        .map_err(|error| {
            ToolError::failed("The result could not be written as JSON. Tell the administrator.")
                .because(error)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_of_numbers_go_and_those_of_strings_stay() {
        let schema = json!({
            "properties": {
                "id": { "type": "integer", "format": "uint64", "minimum": 0 },
                "size": { "type": ["integer", "null"], "format": "uint" },
                "due": { "type": ["string", "null"], "format": "date-time" },
                "format": { "type": "string", "format": "uri" },
            },
            "$defs": { "Entry": { "anyOf": [{ "type": "number", "format": "double" }] } },
        });
        let Value::Object(schema) = schema else {
            panic!("an object")
        };
        assert_eq!(
            Value::Object(Arc::unwrap_or_clone(portable(Arc::new(schema)))),
            json!({
                "properties": {
                    "id": { "type": "integer", "minimum": 0 },
                    "size": { "type": ["integer", "null"] },
                    "due": { "type": ["string", "null"], "format": "date-time" },
                    "format": { "type": "string", "format": "uri" },
                },
                "$defs": { "Entry": { "anyOf": [{ "type": "number" }] } },
            })
        );
    }
}
