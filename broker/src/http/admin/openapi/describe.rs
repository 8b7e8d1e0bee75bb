//! What an operation takes, gives and fails with, and the document that they make.

use axum::http::StatusCode;
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref,
    RefOr, Required, ResponseBuilder, Schema,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::super::super::error::Problem;

/// The document so far.
#[derive(Default)]
pub(super) struct Document {
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// One operation.
pub(super) struct Operation {
    builder: OperationBuilder,
    success: ResponseBuilder,
    status: u16,
    is_open: bool,
    failures: Vec<u16>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// An operation that anybody may use who reaches the listener.
pub(super) fn open(id: &str, summary: &str) -> Operation {
    Operation {
        is_open: true,
        failures: vec![500],
        ..read(id, summary)
    }
}

/// An operation that either role may use.
pub(super) fn read(id: &str, summary: &str) -> Operation {
    Operation {
        builder: OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary)),
        success: ResponseBuilder::new(),
        status: 200,
        is_open: false,
        failures: vec![401, 500],
        schemas: Vec::new(),
    }
}

/// An operation that changes something.
pub(super) fn write(id: &str, summary: &str) -> Operation {
    read(id, summary).fails(&[403])
}

impl Operation {
    /// It takes these query parameters.
    pub(super) fn query<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.builder = self.builder.parameter(parameter);
        }
        self.fails(&[400])
    }

    /// It takes this body.
    pub(super) fn takes<T: ToSchema>(self, example: Value) -> Self {
        self.body::<T>(Required::True, example)
    }

    /// It takes this body, or none.
    pub(super) fn may_take<T: ToSchema>(self, example: Value) -> Self {
        self.body::<T>(Required::False, example)
    }

    fn body<T: ToSchema>(mut self, required: Required, example: Value) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(self.refer::<T>()))
            .example(Some(example));
        let body = RequestBodyBuilder::new()
            .content("application/json", content.build())
            .required(Some(required));
        self.builder = self.builder.request_body(Some(body.build()));
        self.fails(&[400, 415])
    }

    /// It answers with this.
    pub(super) fn gives<T: ToSchema>(mut self, status: u16, example: Value) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(self.refer::<T>()))
            .example(Some(example));
        self.success = self
            .success
            .description(reason(status))
            .content("application/json", content.build());
        self.status = status;
        self
    }

    /// It answers without a body.
    pub(super) fn gives_nothing(mut self) -> Self {
        self.success = self.success.description(reason(204));
        self.status = 204;
        self
    }

    /// Its answer says which version it is of.
    pub(super) fn tagged(mut self) -> Self {
        self.success = self.success.header("ETag", Header::new(text()));
        self
    }

    /// It may, or must, say which version it is about.
    pub(super) fn if_match(mut self, required: Required) -> Self {
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(required)
            .description(Some("The ETag of what you read, or *."))
            .schema(Some(
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(r#"^(\*|(W/)?"[!#-+\--~]*"(, *(W/)?"[!#-+\--~]*")*)$"#)),
            ));
        self.builder = self.builder.parameter(parameter);
        self.fails(&[400, 412])
    }

    /// It may fail with these too.
    pub(super) fn fails(mut self, statuses: &[u16]) -> Self {
        self.failures.extend(statuses);
        self
    }

    fn refer<T: ToSchema>(&mut self) -> Ref {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        Ref::from_schema_name(name)
    }
}

impl Document {
    /// Adds an operation; what stands in braces in the path becomes a parameter of it.
    pub(super) fn add(&mut self, path: &str, method: HttpMethod, operation: Operation) {
        let mut operation = operation;
        for part in path.split('/') {
            if let Some(name) = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                let parameter = ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .schema(Some(text()));
                operation.builder = operation.builder.parameter(parameter);
                operation.failures.push(404);
            }
        }
        operation.failures.sort_unstable();
        operation.failures.dedup();
        let mut builder = operation
            .builder
            .response(operation.status.to_string(), operation.success.build());
        if !operation.is_open {
            builder = builder.security(SecurityRequirement::new("admin_token", [""; 0]));
        }
        for status in operation.failures {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build();
            let response = ResponseBuilder::new()
                .description(reason(status))
                .content("application/problem+json", content);
            builder = builder.response(status.to_string(), response.build());
        }
        self.schemas.extend(operation.schemas);
        self.paths
            .add_path_operation(path, vec![method], builder.build());
    }

    /// The document, whole.
    pub(super) fn finish(self) -> OpenApi {
        let components = ComponentsBuilder::new()
            .schemas_from_iter(self.schemas)
            .schema("Problem", Problem::schema())
            .security_scheme(
                "admin_token",
                SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
            );
        let info = InfoBuilder::new()
            .title("MCP Token Broker: administration")
            .version("1")
            .description(Some(
                "On the admin listener only. Make a token with `broker admin-token create`.",
            ));
        OpenApiBuilder::new()
            .info(info.build())
            .paths(self.paths)
            .components(Some(components.build()))
            .build()
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
}
