//! The Cookbook app, API v1 (app version 0.11.8), with SQLite behind it.
//!
//! Its traps are kept: recipes by keyword find nothing, deleting says "deleted" whatever happens,
//! paths are decoded twice, texts lose their tags, and times that cannot be read are dropped.
//! Recipes are not files here, and pictures do not exist. The web that recipes are imported from
//! is what a test puts there.

mod clean;
mod model;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use self::model::{Cookbook, Refusal};
use super::gate::CorsRoute;
use super::server::{Server, Shared};
use super::{json_answer, pages};

pub(super) fn routes() -> Router<Shared> {
    const API: &str = "/index.php/apps/cookbook/api/v1";
    Router::new()
        .route("/index.php/apps/cookbook/api/version", get(version))
        .route(&format!("{API}/config"), get(show_config).post(set_config))
        .route(&format!("{API}/reindex"), post(reindex))
        .route(&format!("{API}/import"), post(import))
        .route(&format!("{API}/recipes"), get(list).post(create))
        .route(
            &format!("{API}/recipes/{{id}}"),
            get(show).put(update).delete(remove),
        )
        .route(&format!("{API}/search/{{query}}"), get(search))
        .route(&format!("{API}/categories"), get(categories))
        .route(&format!("{API}/category/{{category}}"), get(in_category))
        .route(&format!("{API}/keywords"), get(keywords))
        .route(&format!("{API}/tags/{{keywords}}"), get(with_keywords))
}

pub(super) fn capabilities(_: &Server) -> Value {
    json!({"cookbook": {
        "api-version": {"epoch": 0, "major": 1, "minor": 2},
        "version": [0, 11, 8],
    }})
}

/// Puts a recipe on a page of the web, for tests of the import.
pub(super) fn publish(server: &Server, url: &str, recipe: Value) {
    server.family(|cookbook: &mut Cookbook| {
        cookbook.web.insert(url.to_owned(), recipe);
    });
}

/// Every recipe of a user as the app shows it, for tests.
pub(super) fn all(server: &Server, uid: &str) -> Vec<Value> {
    work(server, |cookbook| cookbook.all(uid))
}

fn work<R: Default>(server: &Server, work: impl FnOnce(&mut Cookbook) -> R) -> R {
    server.family(work).unwrap_or_default()
}

fn ok(body: &Value) -> Response {
    json_answer(StatusCode::OK, body)
}

fn refused(refusal: &Refusal) -> Response {
    let (status, message, line) = match refusal {
        Refusal::Taken => (
            StatusCode::CONFLICT,
            "Another recipe with that name already exists",
            248,
        ),
        Refusal::Nameless => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "No recipe name was given. A unique name is required to store the recipe.",
            207,
        ),
    };
    let file = "/var/www/html/apps/cookbook/lib/Service/RecipeService.php";
    json_answer(status, &json!({"msg": message, "file": file, "line": line}))
}

/// The app decodes what the server has decoded already.
fn decoded_again(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

fn body(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

async fn version(CorsRoute(_): CorsRoute) -> Response {
    ok(&json!({
        "cookbook_version": [0, 11, 8],
        "api_version": {"epoch": 0, "major": 1, "minor": 2},
    }))
}

async fn show_config(State(server): State<Shared>, CorsRoute(session): CorsRoute) -> Response {
    ok(&work(&server, |cookbook| {
        cookbook.config(&session.uid).clone()
    }))
}

async fn set_config(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    bytes: Bytes,
) -> Response {
    let change = body(&bytes);
    work(&server, |cookbook| {
        let config = cookbook.config(&session.uid);
        for name in [
            "folder",
            "update_interval",
            "print_image",
            "visibleInfoBlocks",
        ] {
            if let (Some(value), Some(config)) = (change.get(name), config.as_object_mut()) {
                config.insert(name.to_owned(), value.clone());
            }
        }
    });
    ok(&json!("OK"))
}

async fn reindex(CorsRoute(_): CorsRoute) -> Response {
    ok(&json!("Search index rebuilt successfully"))
}

async fn list(State(server): State<Shared>, CorsRoute(session): CorsRoute) -> Response {
    ok(&work(&server, |cookbook| {
        cookbook.summaries(&session.uid, None, |_| true)
    }))
}

async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse::<u64>() else {
        return pages::not_found();
    };
    match work(&server, |cookbook| cookbook.show(&session.uid, id)) {
        Some(recipe) => ok(&recipe),
        None => json_answer(StatusCode::NOT_FOUND, &json!(id)),
    }
}

async fn create(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    bytes: Bytes,
) -> Response {
    let id = server.store(|store| store.ids.next());
    let now = server.clock().now();
    let recipe = body(&bytes);
    let made =
        server.family(|cookbook: &mut Cookbook| cookbook.add(&session.uid, id, &recipe, now));
    match made {
        Some(Ok(())) => ok(&json!(id)),
        Some(Err(refusal)) => refused(&refusal),
        None => pages::not_found(),
    }
}

async fn update(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(_): Path<String>,
    bytes: Bytes,
) -> Response {
    // The id in the path is not looked at.
    let recipe = body(&bytes);
    let id = recipe.get("id").and_then(|id| {
        let text = id.as_str().map(str::to_owned);
        text.unwrap_or_else(|| id.to_string()).parse::<u64>().ok()
    });
    let Some(id) = id else {
        return create(State(server), CorsRoute(session), bytes).await;
    };
    let now = server.clock().now();
    let changed =
        server.family(|cookbook: &mut Cookbook| cookbook.replace(&session.uid, id, &recipe, now));
    match changed {
        Some(Ok(true)) => ok(&json!(id)),
        Some(Err(Refusal::Nameless)) => refused(&Refusal::Nameless),
        // A name that is taken and a recipe that is not there are not caught.
        Some(Ok(false) | Err(Refusal::Taken)) | None => pages::page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            "The server was unable to complete your request.",
        ),
    }
}

async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse::<u64>() else {
        return pages::not_found();
    };
    work(&server, |cookbook| cookbook.remove(&session.uid, id));
    ok(&json!(format!("Recipe {id} deleted successfully")))
}

async fn search(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(query): Path<String>,
) -> Response {
    let query = decoded_again(&query).to_lowercase();
    let words: Vec<&str> = query
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .collect();
    let now = server.clock().now();
    ok(&work(&server, |cookbook| {
        cookbook.summaries(&session.uid, Some(now), |recipe| {
            words.is_empty() || words.iter().any(|word| recipe.mentions(word))
        })
    }))
}

async fn categories(State(server): State<Shared>, CorsRoute(session): CorsRoute) -> Response {
    ok(&work(&server, |cookbook| cookbook.categories(&session.uid)))
}

async fn in_category(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(category): Path<String>,
) -> Response {
    let category = decoded_again(&category);
    let now = server.clock().now();
    ok(&work(&server, |cookbook| {
        cookbook.summaries(&session.uid, Some(now), |recipe| match category.as_str() {
            "_" => recipe.category().is_empty(),
            category => recipe.category() == category,
        })
    }))
}

async fn keywords(State(server): State<Shared>, CorsRoute(session): CorsRoute) -> Response {
    ok(&work(&server, |cookbook| cookbook.keywords(&session.uid)))
}

/// Finds nothing: the user's id goes into the query as a number, and with SQLite that is no user.
async fn with_keywords(CorsRoute(_): CorsRoute, Path(_): Path<String>) -> Response {
    ok(&json!([]))
}

async fn import(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    bytes: Bytes,
) -> Response {
    let asked = body(&bytes);
    let Some(url) = asked.get("url").and_then(Value::as_str) else {
        return json_answer(StatusCode::BAD_REQUEST, &json!("Field \"url\" is required"));
    };
    let parsed = url::Url::parse(url).ok();
    let is_name = parsed.is_some_and(
        |url| matches!(url.host(), Some(url::Host::Domain(name)) if name != "localhost"),
    );
    if !is_name {
        return json_answer(
            StatusCode::BAD_REQUEST,
            &json!("Could not parse or access the URL"),
        );
    }
    let Some(recipe) = work(&server, |cookbook| cookbook.web.get(url).cloned()) else {
        return json_answer(
            StatusCode::BAD_REQUEST,
            &json!("Could not find recipe element"),
        );
    };
    let id = server.store(|store| store.ids.next());
    let now = server.clock().now();
    let made = server.family(|cookbook: &mut Cookbook| {
        cookbook.add(&session.uid, id, &recipe, now)?;
        Ok(cookbook.show(&session.uid, id))
    });
    match made {
        Some(Ok(recipe)) => ok(&json!(recipe)),
        Some(Err(refusal)) => refused(&refusal),
        None => pages::not_found(),
    }
}
