//! `docs/tools.md` is written from the code: every tool and resource, and every sentence about a failure.
//!
//! After a change of the tools: `cargo test -p mcp-gateway --test it -- --ignored regenerate`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mcp_gateway::error::{About, describe};
use mcp_gateway::nextcloud::{Answer, Error};
use mcp_gateway::tools::{Catalog, Effect, Needs, Resource, Tool, background_catalog, catalog};
use serde_json::Value;

const HEAD: &str = "\
# The gateway's tools

<!-- Written from the code. After a change of the tools:
     cargo test -p mcp-gateway --test it -- --ignored regenerate -->

Everything happens as the signed-in user. A token needs all scopes that a tool names; without them the answer is HTTP 403
before anything runs. `tools/list` shows what the token allows. A client that sends a `progressToken` hears of the progress
of long calls. Requests to Nextcloud are shown below its base URL; `{user}` is found out, never a parameter.
";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/tools.md")
}

#[test]
fn the_document_says_what_the_code_does() {
    let written = std::fs::read_to_string(path()).expect("docs/tools.md");
    let expected = document(&catalog(), &background_catalog());
    let difference = written
        .lines()
        .zip(expected.lines())
        .find(|(written, expected)| written != expected);
    assert!(
        written == expected,
        "docs/tools.md is old, first here: {difference:#?}\n\
         cargo test -p mcp-gateway --test it -- --ignored regenerate"
    );
}

#[test]
#[ignore = "it writes docs/tools.md"]
fn regenerate() {
    std::fs::write(path(), document(&catalog(), &background_catalog())).expect("written");
}

#[test]
fn the_example_of_the_broker_offers_every_scope_that_a_tool_needs() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/broker.toml");
    let example = std::fs::read_to_string(example).expect("deploy/broker.toml");
    let example: toml::Table = example.parse().expect("TOML");
    let offered = example["resources"][0]["scopes"]
        .as_table()
        .expect("scopes");
    let offered: BTreeSet<&str> = offered.keys().map(String::as_str).collect();
    let catalog = catalog();
    let tools = catalog.tools().iter().map(Tool::needs);
    let needs = tools.chain(catalog.resources().iter().map(Resource::needs));
    let needed: BTreeSet<&str> = needs.flat_map(Needs::scopes).copied().collect();
    assert_eq!(offered, needed);
}

#[test]
fn every_tool_and_resource_names_its_requests() {
    let (catalog, background) = (catalog(), background_catalog());
    let tools = catalog
        .tools()
        .iter()
        .chain(background.tools())
        .map(|tool| (tool.name(), tool.nextcloud_calls()));
    let resources = catalog.resources().iter();
    let resources = resources.map(|resource| (resource.uri(), resource.nextcloud_calls()));
    for (name, calls) in tools.chain(resources) {
        assert!(
            !calls.is_empty(),
            "{name}: say .calls(&[\"GET /…\"]) beside its definition"
        );
        for call in calls {
            let (method, rest) = call.split_once(' ').expect("a method and a path");
            assert!(
                method.bytes().all(|byte| byte.is_ascii_uppercase()),
                "{name}: {call}"
            );
            assert!(rest.starts_with('/'), "{name}: {call}");
        }
    }
}

const BACKGROUND: &str = "
## Background access

Offered where the gateway has `credentials = \"background_only\"`, and then alone: conversations get nothing from Nextcloud there, and
the user decides whether background jobs do. Whose access it is, the token says. The requests are to the broker. A client that can send its
user to a page (elicitation in URL mode) does that; another one is given the link.
";

fn document(catalog: &Catalog, background: &Catalog) -> String {
    let mut text = HEAD.to_owned();
    let mut heading = String::new();
    for tool in catalog.tools() {
        let app = app(tool.needs());
        if app != heading {
            let _written = write!(text, "\n## {app}\n");
            heading = app;
        }
        text.push_str(&tool_section(tool));
    }
    text.push_str(BACKGROUND);
    for tool in background.tools() {
        text.push_str(&tool_section(tool));
    }
    text.push_str("\n## Resources\n\n");
    text.push_str(
        "| URI | What it is | Scope | Requests to Nextcloud |\n| --- | --- | --- | --- |\n",
    );
    for resource in catalog.resources() {
        text.push_str(&resource_row(resource));
    }
    text.push_str(&errors());
    text
}

/// The heading under which tools with these needs stand.
fn app(needs: Needs) -> String {
    let scope = needs.scopes().first().copied().unwrap_or("account.read");
    let app = scope.split('.').next().unwrap_or(scope);
    let mut letters = app.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn scopes(needs: Needs) -> String {
    match needs {
        Needs::AnyScope => "any".to_owned(),
        Needs::All(scopes) => code_list(scopes),
    }
}

fn code_list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items = items.into_iter().map(|item| format!("`{}`", item.as_ref()));
    items.collect::<Vec<_>>().join(", ")
}

fn tool_section(tool: &Tool) -> String {
    let definition = tool.definition();
    let mut text = format!("\n### {}\n\n", tool.name());
    let title = definition.title.as_deref().unwrap_or_default();
    let description = definition.description.as_deref().unwrap_or_default();
    let effect = match tool.effect() {
        Effect::Read => "reads",
        Effect::Write => "writes",
        Effect::WriteIdempotent => "writes; twice is the same as once",
        Effect::Delete => "deletes; twice is the same as once",
    };
    let scopes = scopes(tool.needs());
    let _written = write!(
        text,
        "**{title}.** {description}\n\nScope: {scopes} ({effect})\n\n"
    );
    let properties = definition
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    let required = definition
        .input_schema
        .get("required")
        .and_then(Value::as_array);
    if properties.is_some_and(|properties| !properties.is_empty()) {
        text.push_str("| Parameter | Type | |\n| --- | --- | --- |\n");
    }
    for (name, schema) in properties.into_iter().flatten() {
        let needed = required.is_some_and(|required| required.iter().any(|one| one == name));
        let kind = kind(schema);
        let needed = if needed {
            format!("{kind}, required")
        } else {
            kind
        };
        let about = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let _written = writeln!(text, "| `{name}` | {needed} | {} |", cell(about));
    }
    let output = definition.output_schema.as_ref();
    let results = output.and_then(|schema| schema.get("properties")?.as_object().cloned());
    let results = code_list(results.unwrap_or_default().keys());
    let _written = write!(
        text,
        "\nReturns: {results}\n\nRequests: {}\n",
        code_list(tool.nextcloud_calls())
    );
    let _written = write!(text, "\nErrors: {}\n", error_groups(tool));
    // No empty line twice: a tool without parameters has no table.
    text.replace("\n\n\n", "\n\n")
}

/// The type as people say it.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return code_list(values.iter().filter_map(Value::as_str)).replace(", ", " or ");
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let kinds: Vec<String> = choices
            .iter()
            .map(kind)
            .filter(|kind| kind != "null")
            .collect();
        return kinds.join(" or ");
    }
    let plain = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("anything"),
        Some(Value::String(kind)) => kind,
        _ => "anything",
    };
    match schema.get("items") {
        Some(items) => format!("list of {}", kind(items)),
        None => plain.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace("\n- ", "<br>")
        .replace('\n', " ")
}

fn resource_row(resource: &Resource) -> String {
    format!(
        "| `{}` | {} | {} | {} |\n",
        resource.uri(),
        cell(resource.description()),
        scopes(resource.needs()),
        code_list(resource.nextcloud_calls()),
    )
}

/// Parameters that name a version.
const VERSIONS: [&str; 3] = ["etag", "if_match", "if_destination_match"];

fn error_groups(tool: &Tool) -> String {
    let mut groups = vec!["[every call](#every-call)"];
    if tool.effect() != Effect::Read {
        groups.push("[a change](#a-change)");
    }
    let properties = tool.definition().input_schema.get("properties");
    if VERSIONS
        .iter()
        .any(|name| properties.is_some_and(|all| all.get(name).is_some()))
    {
        groups.push("[a version](#a-version)");
    }
    groups.join(", ")
}

fn refused(status: StatusCode) -> Error {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Error::Refused(Box::new(Answer {
        status,
        headers,
        body: Bytes::from_static(br#"{"message":"(its own words)"}"#),
        is_cut: false,
    }))
}

/// The sentences that `error` makes, by what a call does.
fn errors() -> String {
    let every_call = [
        ("nothing there (404)", refused(StatusCode::NOT_FOUND)),
        ("not allowed (403)", refused(StatusCode::FORBIDDEN)),
        ("the app is missing", Error::AppMissing),
        (
            "the answer is too large",
            Error::TooLarge { limit: 10 << 20 },
        ),
        ("another status", refused(StatusCode::BAD_REQUEST)),
        ("no connection", Error::Unreachable("".into())),
        ("no answer in time", Error::TimedOut("".into())),
        ("an answer of another shape", Error::Malformed("")),
        ("the token is refused (401)", Error::Unauthorized),
        ("a second factor is wanted (303)", Error::SecondFactor),
        ("the account is disabled", Error::AccountDisabled),
        ("a header was lost on the way", Error::HeaderLost),
        ("another redirect", Error::Redirected),
        (
            "a name that no request can carry",
            Error::Request("".into()),
        ),
        ("a route that is never asked", Error::Denied),
        (
            "too many requests (429)",
            refused(StatusCode::TOO_MANY_REQUESTS),
        ),
        (
            "an error inside Nextcloud (500)",
            refused(StatusCode::INTERNAL_SERVER_ERROR),
        ),
        (
            "maintenance (503)",
            refused(StatusCode::SERVICE_UNAVAILABLE),
        ),
    ];
    let change = [
        ("locked (423)", refused(StatusCode::LOCKED)),
        (
            "too large for Nextcloud (413)",
            refused(StatusCode::PAYLOAD_TOO_LARGE),
        ),
        ("no space (507)", refused(StatusCode::INSUFFICIENT_STORAGE)),
    ];
    let version = [(
        "changed meanwhile (412)",
        refused(StatusCode::PRECONDITION_FAILED),
    )];
    let mut text = "\n## Errors\n\nA failure is a result with `isError`, whose text is one sentence for the model: the thing, the \
        reason, the next step. Where a tool knows more, it says more: the current version after a conflict, the missing \
        folder, the part that does not fit. Arguments that do not match the schema are explained before anything is asked.\n"
        .to_owned();
    for (heading, rows) in [
        ("Every call", every_call.into_iter().collect::<Vec<_>>()),
        ("A change", change.into_iter().collect()),
        ("A version", version.into_iter().collect()),
    ] {
        let _written = write!(
            text,
            "\n### {heading}\n\n| When | What the model reads |\n| --- | --- |\n"
        );
        for (when, error) in rows {
            let about = About {
                what: "(The thing)".into(),
                find: "(How to find the right one.)",
                app: "(its)",
            };
            let _written = writeln!(
                text,
                "| {when} | {} |",
                cell(&describe(error, &about).to_string())
            );
        }
    }
    text
}
