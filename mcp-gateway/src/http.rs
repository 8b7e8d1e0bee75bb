//! Routes and layers in one screen.
//!
//! | Path | Who may | Layers, outermost first |
//! | --- | --- | --- |
//! | `/mcp` | a good token | CORS, bearer (401), the caller's limit (429), scopes (403), rmcp with its host and origin check |
//! | `/.well-known/oauth-protected-resource…` | all | CORS of its own |
//! | `/health/live`, `/health/ready` | all | none |
//! | `/metrics` | whoever reaches its listener | none |

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{HeaderName, Method, StatusCode, header};
use axum::{
    Json, Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use broker_client::{
    ambient::Clock,
    bearer::{self, ProtectedResource, RefusalReason},
    telemetry::{Exporter, Spans},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde_json::json;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowHeaders, Any, CorsLayer},
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::TraceLayer,
};

use crate::{
    credentials::{Caller, CredentialSource},
    health::Health,
    mcp::{
        self,
        calls::Calls,
        elicitation,
        limit::{self, Limit},
        run::Runner,
        scopes::{self, ScopeCheck},
        server::Server,
    },
    metrics::{self, Metrics},
    tools::Catalog,
};

/// What the routes are made of.
pub struct Parts {
    /// The tools and resources.
    pub catalog: Arc<Catalog>,
    /// The way into Nextcloud.
    pub credentials: Arc<dyn CredentialSource>,
    /// The dependencies' health.
    pub health: Health,
    /// What tokens are checked against; `None` on a gateway without a broker.
    pub resource: Option<ProtectedResource>,
    /// `Host` values that are answered.
    pub allowed_hosts: Vec<String>,
    /// Browser origins that may call.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in bytes.
    pub request_limit: usize,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How many requests one caller may have running.
    pub requests_per_caller: usize,
    /// Counts and measures.
    pub metrics: Metrics,
    /// Takes a span of each call.
    pub spans: Spans,
    /// Sends them, if anybody wants them.
    pub exporter: Option<Exporter>,
    /// The time of spans.
    pub clock: Arc<dyn Clock>,
}

/// The routes of both listeners, and what runs beside them.
pub struct Routers {
    /// For everybody.
    pub public: Router,
    /// For whoever collects metrics, on a port of its own.
    pub metrics: Router,
    /// Sends the spans that the routes record, if anybody wants them.
    pub exporter: Option<Exporter>,
}

/// The whole gateway.
pub fn routers(parts: Parts) -> Routers {
    let calls = Arc::new(Calls::default());
    let mut mcp = Router::new().route_service(mcp::PATH, service(&parts, Arc::clone(&calls)));
    if parts.catalog.sends_visitors() {
        mcp = mcp.layer(middleware::from_fn(elicitation::remember));
    }
    let shared = Arc::new(parts.health);
    let metrics = Router::new()
        .route("/metrics", get(scrape))
        .with_state((parts.metrics.clone(), Arc::clone(&shared)));
    let health = Router::new()
        .route(
            "/health/live",
            get(|| async { Json(json!({ "status": "live" })) }),
        )
        .route("/health/ready", get(ready))
        .with_state(shared);
    let metadata = parts
        .resource
        .as_ref()
        .map(ProtectedResource::metadata_router)
        .unwrap_or_default();
    let check = ScopeCheck {
        catalog: parts.catalog,
        resource: parts.resource,
        calls,
        request_limit: parts.request_limit,
        body_timeout: parts.call_timeout,
    };
    let public = protected(mcp, check, Limit::new(parts.requests_per_caller))
        .layer(cors())
        .merge(metadata)
        .merge(health)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        // Whoever prints a request for debugging must not print the token.
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
        ]))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(parts.metrics, measure));
    Routers {
        public,
        metrics,
        exporter: parts.exporter,
    }
}

/// Counts and measures a request.
async fn measure(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _running = metrics.request_running();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    // The template, never the path, which strangers choose.
    let route = matched.map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    metrics.request(&route, &method, response.status(), started.elapsed());
    if let Some(RefusalReason(reason)) = response.extensions().get() {
        metrics.token_rejected(reason);
    }
    response
}

/// `/metrics`, with what is read at a scrape.
async fn scrape(State((metrics, health)): State<(Metrics, Arc<Health>)>) -> Response {
    health.readiness().await.tell(&metrics);
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// rmcp's transport, stateless for both protocol eras: any replica answers any request.
fn service(parts: &Parts, calls: Arc<Calls>) -> StreamableHttpService<Server, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(parts.allowed_hosts.clone())
        .with_allowed_origins(parts.allowed_origins.clone())
        .enforce_origin_validation()
        .with_max_request_body_bytes(parts.request_limit);
    let server = Server::new(
        Arc::clone(&parts.catalog),
        Arc::clone(&parts.credentials),
        Runner::new(
            calls,
            parts.call_timeout,
            parts.metrics.clone(),
            (parts.spans.clone(), Arc::clone(&parts.clock)),
        ),
    );
    StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config)
}

/// Adds who is calling and what they may.
fn protected(routes: Router, check: ScopeCheck, limit: Limit) -> Router {
    let resource = check.resource.clone();
    let routes = routes
        .layer(middleware::from_fn_with_state(
            Arc::new(check),
            scopes::check,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::new(limit),
            limit::check,
        ));
    match resource {
        Some(resource) => routes
            .layer(middleware::from_fn(token_caller))
            .layer(resource.layer()),
        None => routes.layer(middleware::from_fn(single_user)),
    }
}

async fn token_caller(caller: bearer::Caller, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::Token(caller));
    next.run(request).await
}

async fn single_user(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::SingleUser);
    next.run(request).await
}

/// Browser-based clients need to read answers, the 401 and 403 included. Any origin may: nothing
/// here depends on cookies, and rmcp refuses origins that are not configured.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // `Mcp-Param-*` have any name.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::WWW_AUTHENTICATE,
            header::RETRY_AFTER,
            HeaderName::from_static("mcp-session-id"),
            HeaderName::from_static("mcp-protocol-version"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(Duration::from_hours(1))
}

async fn ready(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let readiness = health.readiness().await;
    let (status, word) = if health.is_ready(readiness) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (
        status,
        Json(json!({ "status": word, "dependencies": readiness })),
    )
}

fn span(request: &Request) -> tracing::Span {
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default();
    // The path only: queries and headers may carry what no log should.
    tracing::info_span!("request", request_id, method = %request.method(), path = request.uri().path())
}
