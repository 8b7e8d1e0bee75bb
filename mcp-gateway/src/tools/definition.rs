//! A tool: what a model is told about it, what a token needs for it, and what it does.
//!
//! Owns how arguments become a typed value and a result structured content. The order of a call
//! is fixed here: the arguments are checked before a credential is asked for.

use std::future::Future;

use broker_client::oauth::Scope;
use futures_util::future::BoxFuture;
use rmcp::model::{self, CallToolResult, JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    schema,
    visit::{Outcome, Visits},
};
use crate::{credentials::BackgroundAccess, error::ToolError, nextcloud::Client};

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

type Done<T> = BoxFuture<'static, Result<T, ToolError>>;

/// The rest of a call, once its arguments are good.
pub(crate) enum Job {
    /// It works in Nextcloud, as the caller.
    Nextcloud(Box<dyn FnOnce(Client) -> Done<CallToolResult> + Send>),
    /// It is about the caller's background access, which the broker keeps.
    Background(Box<dyn FnOnce(BackgroundAccess, Visits) -> Done<Outcome<CallToolResult>> + Send>),
}

type Prepare = dyn Fn(JsonObject) -> Result<Job, ToolError> + Send + Sync;

/// A tool.
pub struct Tool {
    definition: model::Tool,
    needs: Needs,
    effect: Effect,
    calls: &'static [&'static str],
    sends_visitors: bool,
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
            let (arguments, run) = (read::<A>(name, arguments)?, run.clone());
            Ok(Job::Nextcloud(Box::new(move |client| {
                Box::pin(async move { structured(&run(client, arguments).await?) })
            })))
        };
        Self::defined::<A, O>(name, effect, needs, Box::new(prepare))
    }

    /// A tool without arguments that is about the caller's background access. Everybody who is signed
    /// in has a say in his own, so any scope will do.
    pub(crate) fn background<O, F, Fut>(name: &'static str, effect: Effect, run: F) -> Self
    where
        O: Serialize + JsonSchema + Send + 'static,
        F: Fn(BackgroundAccess, Visits) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome<O>, ToolError>> + Send + 'static,
    {
        let prepare = move |arguments: JsonObject| {
            let (NoArguments {}, run) = (read(name, arguments)?, run.clone());
            Ok(Job::Background(Box::new(move |access, visits| {
                Box::pin(async move {
                    Ok(match run(access, visits).await? {
                        Outcome::Done(output) => Outcome::Done(structured(&output)?),
                        Outcome::Visit(visit) => Outcome::Visit(visit),
                    })
                })
            })))
        };
        Self::defined::<NoArguments, O>(name, effect, Needs::AnyScope, Box::new(prepare))
    }

    fn defined<A: JsonSchema, O: JsonSchema + 'static>(
        name: &'static str,
        effect: Effect,
        needs: Needs,
        prepare: Box<Prepare>,
    ) -> Self {
        let definition = model::Tool::new(name, "", schema::input::<A>())
            .with_raw_output_schema(schema::output::<O>())
            .with_annotations(effect.annotations());
        Self {
            definition,
            needs,
            effect,
            calls: &[],
            sends_visitors: false,
            prepare,
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

    /// The requests that the tool makes, mostly at Nextcloud, in their order, for the documentation: method
    /// and path with `{variables}`, then in words when one is made only sometimes.
    #[must_use]
    pub fn calls(mut self, calls: &'static [&'static str]) -> Self {
        self.calls = calls;
        self
    }

    /// The tool may send the user to a page before it can go on.
    #[must_use]
    pub(crate) fn visiting(mut self) -> Self {
        self.sends_visitors = true;
        self
    }

    /// What [`Tool::visiting`] was said.
    pub(crate) fn sends_visitors(&self) -> bool {
        self.sends_visitors
    }

    /// What [`Tool::calls`] was given.
    #[must_use]
    pub fn nextcloud_calls(&self) -> &'static [&'static str] {
        self.calls
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

/// A tool that takes nothing.
#[derive(Deserialize, JsonSchema)]
struct NoArguments {}

fn read<A: DeserializeOwned>(name: &str, arguments: JsonObject) -> Result<A, ToolError> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        ToolError::invalid(format!(
            "The arguments of {name} cannot be used: {error}. Look at the tool's input schema and \
             call it again."
        ))
    })
}

fn structured(output: &impl Serialize) -> Result<CallToolResult, ToolError> {
    serde_json::to_value(output)
        .map(CallToolResult::structured)
        .map_err(|error| {
            ToolError::failed("The result could not be written as JSON. Tell the administrator.")
                .because(error)
        })
}
