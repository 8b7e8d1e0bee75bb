//! The rules, as functions from texts to violations.

use crate::scan::Source;

/// The layers of the broker: a module uses only modules of rows above its own; siblings of one row
/// do not use each other.
pub(crate) const BROKER_LAYERS: [&[&str]; 22] = [
    &["domain"],
    &["ambient"],
    &["crypto"],
    &["metrics"],
    &["storage"],
    &["audit"],
    &["live"],
    &["vault"],
    &["keys"],
    &["nextcloud"],
    &["webhooks"],
    &["upstream"],
    &["upstream_tokens"],
    &["offline_tokens"],
    &["accounts"],
    &["exchange"],
    &["clients"],
    &[
        "authorize",
        "token",
        "provision",
        "register",
        "metadata",
        "logout",
        "admin",
    ],
    &["http"],
    &["tasks"],
    &["config"],
    &["app", "cli"],
];

/// The layers of the gateway, in the same order: what others use comes first.
pub(crate) const GATEWAY_LAYERS: [&[&str]; 10] = [
    &["metrics"],
    &["nextcloud"],
    &["credentials"],
    &["error"],
    &["tools"],
    &["mcp"],
    &["health"],
    &["http"],
    &["config"],
    &["app", "cli"],
];

/// `cli` starts what `app` composes; the one step between siblings that is meant.
const SIBLINGS: [(&str, &str); 1] = [("cli", "app")];

/// Crates that are imported in few places: name, where they may be, in which folders it counts.
const IMPORTS: [(&str, &[&str], &[&str]); 9] = [
    (
        "axum",
        &["broker/src/http", "broker/src/app"],
        &["broker/src/"],
    ),
    ("sea_orm", &["broker/src/storage"], &["broker/src/"]),
    (
        "prometheus_client",
        &["broker/src/metrics", "mcp-gateway/src/metrics"],
        &["broker/src/", "broker/client/src/", "mcp-gateway/src/"],
    ),
    (
        "oxide_auth",
        &[
            "broker/src/authorize/machine",
            "broker/src/token/code",
            "broker/src/token/refresh",
        ],
        &["broker/src/"],
    ),
    (
        "reqwest",
        &["broker/client/src/http", "mcp-gateway/src/nextcloud/client"],
        &["broker/src/", "broker/client/src/", "mcp-gateway/src/"],
    ),
    (
        "chacha20poly1305",
        &["broker/src/crypto/cipher"],
        &["broker/src/", "broker/client/src/"],
    ),
    (
        "jsonwebtoken",
        &[
            "broker/src/keys",
            "broker/client/src/verify",
            "broker/client/src/keys",
        ],
        &["broker/src/", "broker/client/src/", "mcp-gateway/src/"],
    ),
    (
        "std::env",
        &["broker/src/config/load", "mcp-gateway/src/config/load"],
        &["broker/src/", "broker/client/src/", "mcp-gateway/src/"],
    ),
    (
        "anyhow",
        &[
            "broker/src/main",
            "mcp-gateway/src/main",
            "broker/src/cli",
            "mcp-gateway/src/cli",
        ],
        &["broker/src/", "broker/client/src/", "mcp-gateway/src/"],
    ),
];

/// Package and the packages of ours that it must not depend on.
const FORBIDDEN_CRATES: [(&str, &[&str]); 5] = [
    (
        "mcp-gateway/Cargo.toml",
        &["broker", "migrations", "blackbox"],
    ),
    (
        "broker/client/Cargo.toml",
        &["broker", "migrations", "mcp-gateway", "blackbox"],
    ),
    ("broker/Cargo.toml", &["mcp-gateway", "blackbox"]),
    (
        "migrations/Cargo.toml",
        &["broker", "broker-client", "mcp-gateway", "blackbox"],
    ),
    (
        "tests/Cargo.toml",
        &["broker", "broker-client", "mcp-gateway", "migrations"],
    ),
];

/// More lines than this are more than one question.
const LONGEST: usize = 500;
/// A file of tests is a list of cases, and may be longer.
const LONGEST_TEST: usize = 900;

/// A module uses only modules of earlier layers.
pub(crate) fn layers(sources: &[Source], folder: &str, layers: &[&[&str]]) -> Vec<String> {
    let rank = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    let mut violations = Vec::new();
    for source in sources {
        let Some(rest) = source.path.strip_prefix(folder) else {
            continue;
        };
        let own = rest
            .split('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".rs");
        if matches!(own, "lib" | "main" | "bin") || is_test(source) {
            continue;
        }
        let Some(own_rank) = rank(own) else {
            violations.push(format!(
                "{}: the module {own} has no place in the order",
                source.path
            ));
            continue;
        };
        for (line, used) in source.names("crate::") {
            let Some(used_rank) = rank(&used) else {
                continue;
            };
            let meant = used == own || used_rank < own_rank || SIBLINGS.contains(&(own, &used));
            if !meant {
                violations.push(format!("{}:{line}: {own} uses {used}", source.path));
            }
        }
    }
    violations
}

/// A foreign crate is imported only where it belongs.
pub(crate) fn imports(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, allowed, counted) in IMPORTS {
        for source in sources {
            let counts = counted.iter().any(|folder| source.path.starts_with(folder));
            let belongs = allowed.iter().any(|module| {
                let rest = source.path.strip_prefix(module);
                rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            });
            if counts && !belongs && !is_test(source) {
                let uses = source.uses(name);
                violations.extend(
                    uses.iter()
                        .map(|line| format!("{}:{line}: {name}", source.path)),
                );
            }
        }
    }
    violations
}

/// Tests in files of their own, and what is compiled for tests only.
fn is_test(source: &Source) -> bool {
    let parts = ["/tests/", "/tests.rs", "/testing/", "tests/blackbox/"];
    parts.iter().any(|part| source.path.contains(part))
}

/// The crates depend on each other in one direction.
pub(crate) fn crates(manifests: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, forbidden) in FORBIDDEN_CRATES {
        let Some(manifest) = manifests.iter().find(|manifest| manifest.path == path) else {
            violations.push(format!("{path} is missing"));
            continue;
        };
        let mut in_dependencies = false;
        for line in manifest.text.lines() {
            if let Some(section) = line.strip_prefix('[') {
                in_dependencies = section.contains("dependencies");
            }
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            if in_dependencies && forbidden.contains(&name) {
                violations.push(format!("{path} depends on {name}"));
            }
        }
    }
    violations
}

/// Every file starts with `//!`.
pub(crate) fn module_docs(sources: &[Source]) -> Vec<String> {
    let missing = sources.iter().filter(|source| {
        let first = source.text.lines().next().unwrap_or_default();
        first
            .strip_prefix("//!")
            .is_none_or(|words| words.trim().len() < 10)
    });
    missing
        .map(|source| format!("{} does not start with //! and a sentence", source.path))
        .collect()
}

/// No file is longer than [`LONGEST`] lines without its tests, and no file of tests longer than
/// [`LONGEST_TEST`].
pub(crate) fn length(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let (lines, longest) = if is_test(source) {
            (source.text.lines().count(), LONGEST_TEST)
        } else {
            (source.without_tests(), LONGEST)
        };
        if lines > longest {
            violations.push(format!("{} has {lines} lines", source.path));
        }
    }
    violations
}

/// No path of a developer's machine.
pub(crate) fn machine_paths(sources: &[Source]) -> Vec<String> {
    // Put together here, so that this very file does not contain them.
    let words = ["/wo.rk/", "/ro.ot/", "/ho.me/", "/Us.ers/", "C:.\\Users"]
        .map(|word| word.replace('.', ""));
    let mut violations = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let named = words.iter().filter(|word| {
                line.match_indices(word.as_str()).any(|(at, _)| {
                    // `https://host/work/x` is a path of a URL, not of a machine.
                    let before = line.get(..at).and_then(|text| text.chars().next_back());
                    before.is_none_or(|c| !c.is_alphanumeric() && c != '.' && c != '}' && c != '>')
                })
            });
            violations.extend(named.map(|word| format!("{}:{}: {word}", source.path, index + 1)));
        }
    }
    violations
}

/// A note about work to do names an issue; other marks of that kind there are none.
pub(crate) fn todos(sources: &[Source]) -> Vec<String> {
    // Put together here, so that this very file does not contain them.
    let todo = ["TO", "DO"].concat();
    let marks = [["FIX", "ME"].concat(), ["X", "XX"].concat()];
    let mut violations = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else {
                continue;
            };
            let mut words = comment.split(|c: char| !c.is_alphanumeric() && c != '(' && c != '#');
            let bad = words.any(|word| {
                let nameless = word
                    .strip_prefix(todo.as_str())
                    .is_some_and(|rest| !rest.starts_with("(#"));
                nameless || marks.iter().any(|mark| mark == word)
            });
            if bad {
                violations.push(format!("{}:{}: {}", source.path, index + 1, comment.trim()));
            }
        }
    }
    violations
}

/// Every decision is in the index, the numbers have no gap, and the index names no other file.
pub(crate) fn adr_index(index: &str, records: &[String]) -> Vec<String> {
    let mut violations = Vec::new();
    for (position, name) in records.iter().enumerate() {
        if !index.contains(&format!("({name})")) {
            violations.push(format!("{name} is not in the index"));
        }
        let number = format!("{:03}-", position + 1);
        if !name.starts_with(&number) {
            violations.push(format!("{name} should start with {number}"));
        }
    }
    let named = index
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let lost = named.filter(|name| !name.contains(':') && !records.iter().any(|file| file == name));
    violations.extend(lost.map(|name| format!("the index names {name}, which is not there")));
    violations
}

/// Every relative link of a document leads to a file.
pub(crate) fn links(documents: &[Source], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for document in documents {
        let folder = document
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        for (index, line) in document.text.lines().enumerate() {
            let targets = line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            for target in targets {
                let target = target.split('#').next().unwrap_or_default();
                if target.is_empty() || target.contains(':') || target.starts_with('/') {
                    continue;
                }
                let path = if folder.is_empty() {
                    target.to_owned()
                } else {
                    format!("{folder}/{target}")
                };
                if !exists(&path) {
                    violations.push(format!("{}:{}: {target}", document.path, index + 1));
                }
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Vec<Source> {
        vec![Source::new(path, text)]
    }

    fn broker(path: &str, text: &str) -> Vec<String> {
        layers(&source(path, text), "broker/src/", &BROKER_LAYERS)
    }

    #[test]
    fn a_module_that_uses_a_later_one_is_found() {
        assert!(broker("broker/src/http/mod.rs", "use crate::storage::Store;").is_empty());
        assert_eq!(
            broker("broker/src/storage/mod.rs", "use crate::http::Router;").len(),
            1
        );
        assert_eq!(
            broker("broker/src/domain/mod.rs", "fn f() { crate::crypto::g() }").len(),
            1
        );
        assert_eq!(
            broker("broker/src/token/mod.rs", "use crate::config::Config;").len(),
            1
        );
    }

    #[test]
    fn siblings_that_use_each_other_are_found() {
        assert_eq!(
            broker("broker/src/token/mod.rs", "use crate::authorize::Flow;").len(),
            1
        );
        assert_eq!(broker("broker/src/app.rs", "use crate::cli::run;").len(), 1);
        assert!(broker("broker/src/cli.rs", "use crate::app::App;").is_empty());
    }

    #[test]
    fn a_module_without_a_place_in_the_order_is_found() {
        assert_eq!(broker("broker/src/helpers.rs", "").len(), 1);
        assert!(broker("broker/src/lib.rs", "").is_empty());
    }

    #[test]
    fn a_crate_in_the_wrong_place_is_found() {
        let found = |path, text| imports(&source(path, text)).len();
        assert_eq!(found("broker/src/token/mod.rs", "use axum::Json;"), 1);
        assert_eq!(found("broker/src/http/token.rs", "use axum::Json;"), 0);
        assert_eq!(found("broker/src/keys/mod.rs", "use sea_orm::Value;"), 1);
        assert_eq!(
            found("broker/src/token/mod.rs", "use oxide_auth::code_grant;"),
            1
        );
        assert_eq!(
            found("mcp-gateway/src/tools/notes.rs", "reqwest::Client::new()"),
            1
        );
        assert_eq!(
            found("broker/client/src/http.rs", "use reqwest::Client;"),
            0
        );
        assert_eq!(
            found("broker/src/storage/mod.rs", "use chacha20poly1305::aead;"),
            1
        );
        assert_eq!(
            found("broker/src/token/issue.rs", "jsonwebtoken::encode()"),
            1
        );
        assert_eq!(found("broker/src/app.rs", "std::env::var(\"X\")"), 1);
        assert_eq!(
            found("broker/src/config/load.rs", "std::env::var(\"X\")"),
            0
        );
    }

    #[test]
    fn a_dependency_in_the_wrong_direction_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nbroker = { path = \"..\" }\n";
        let manifests = source("mcp-gateway/Cargo.toml", manifest);
        assert!(
            crates(&manifests).contains(&"mcp-gateway/Cargo.toml depends on broker".to_owned())
        );
        let fine = source(
            "mcp-gateway/Cargo.toml",
            "[dependencies]\nbroker-client = {}\n",
        );
        assert!(
            !crates(&fine)
                .iter()
                .any(|violation| violation.starts_with("mcp-gateway"))
        );
    }

    #[test]
    fn a_module_without_words_is_found() {
        assert_eq!(module_docs(&source("a.rs", "use std::fs;")).len(), 1);
        assert_eq!(module_docs(&source("a.rs", "//! t\n")).len(), 1);
        assert!(module_docs(&source("a.rs", "//! What this module owns.\n")).is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(length(&source("a.rs", &"x\n".repeat(LONGEST + 1))).len(), 1);
        assert!(length(&source("a.rs", &"x\n".repeat(LONGEST))).is_empty());
        assert!(length(&source("a/tests/b.rs", &"x\n".repeat(LONGEST + 1))).is_empty());
        assert_eq!(
            length(&source("a/tests/b.rs", &"x\n".repeat(LONGEST_TEST + 1))).len(),
            1
        );
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let path = ["/ho", "me/somebody/x"].concat();
        assert_eq!(
            machine_paths(&source("a.md", &format!("see `{path}`"))).len(),
            1
        );
        assert!(machine_paths(&source("a.md", &format!("https://host{path}"))).is_empty());
    }

    #[test]
    fn a_todo_without_an_issue_is_found() {
        let word = ["TO", "DO"].concat();
        assert_eq!(
            todos(&source("a.rs", &format!("x(); // {word}: later"))).len(),
            1
        );
        assert!(todos(&source("a.rs", &format!("x(); // {word}(#12): later"))).is_empty());
        assert!(todos(&source("a.rs", &format!("x(); // a V{word}, a task"))).is_empty());
    }

    #[test]
    fn a_decision_that_the_index_lacks_and_one_that_is_not_there_are_found() {
        let records = ["001-a.md".to_owned(), "002-b.md".to_owned()];
        assert!(adr_index("[1](001-a.md) [2](002-b.md)", &records).is_empty());
        assert_eq!(adr_index("[1](001-a.md)", &records).len(), 1);
        assert_eq!(
            adr_index("[1](001-a.md) [2](002-b.md) [3](003-c.md)", &records).len(),
            1
        );
        assert_eq!(
            adr_index(
                "[1](001-a.md) [3](003-b.md)",
                &["001-a.md".to_owned(), "003-b.md".to_owned()]
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_link_into_nothing_is_found() {
        let documents = source(
            "docs/a.md",
            "[x](b.md#part) [y](https://example.org) [z](../c.md)",
        );
        let found = links(&documents, |path| path == "docs/b.md");
        assert_eq!(found, ["docs/a.md:1: ../c.md"]);
    }
}
