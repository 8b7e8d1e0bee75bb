//! Rules about the sources themselves, which no compiler keeps: the order of the layers, who may
//! import what, that every module says what it owns, the index of decisions, the example files.
//!
//! [`rules`] and [`examples`] hold the rules as functions over texts, each with a test that shows it
//! can fail; this file applies them to the tree.
#![expect(clippy::unwrap_used, reason = "a test: an unreadable tree may stop it")]

#[path = "tidy/examples.rs"]
mod examples;
#[path = "tidy/metrics.rs"]
mod metrics;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/scan.rs"]
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use scan::Source;

/// Folders that are not ours to look at.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "fixtures"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// All files with one of these endings, with paths relative to the root.
fn files(endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let relative = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push(Source::new(&relative, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The Rust files of the product; there must be some, or the rules would hold for nothing.
fn rust() -> Vec<Source> {
    let files = files(&[".rs"]);
    for folder in [
        "broker/src/",
        "broker/client/src/",
        "mcp-gateway/src/",
        "migrations/src/",
    ] {
        assert!(
            files.iter().any(|file| file.path.starts_with(folder)),
            "nothing in {folder}"
        );
    }
    files
}

fn expect_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n  {}\n", violations.join("\n  "));
}

#[test]
fn in_the_broker_a_module_uses_only_modules_before_it() {
    expect_none(&rules::layers(
        &rust(),
        "broker/src/",
        &rules::BROKER_LAYERS,
    ));
}

#[test]
fn in_the_gateway_a_module_uses_only_modules_behind_it() {
    expect_none(&rules::layers(
        &rust(),
        "mcp-gateway/src/",
        &rules::GATEWAY_LAYERS,
    ));
}

#[test]
fn each_foreign_crate_is_imported_only_where_it_belongs() {
    expect_none(&rules::imports(&rust()));
}

#[test]
fn the_gateway_knows_nothing_of_the_broker_and_the_tests_know_neither() {
    let manifests = files(&["Cargo.toml"]);
    assert!(manifests.len() >= 6, "{} manifests", manifests.len());
    expect_none(&rules::crates(&manifests));
}

#[test]
fn every_module_says_what_it_owns() {
    expect_none(&rules::module_docs(&rust()));
}

#[test]
fn no_file_is_too_long_to_answer_one_question() {
    expect_none(&rules::length(&rust()));
}

#[test]
fn no_text_names_the_machine_it_was_written_on() {
    let texts = files(&[
        ".rs", ".toml", ".md", ".yaml", ".yml", ".sh", ".html", "justfile", ".mjs",
    ]);
    expect_none(&rules::machine_paths(&texts));
}

#[test]
fn a_todo_has_an_issue() {
    expect_none(&rules::todos(&rust()));
}

#[test]
fn the_index_of_decisions_is_complete() {
    let index = fs::read_to_string(root().join("docs/adr/README.md")).unwrap();
    let records: Vec<_> = files(&[".md"])
        .into_iter()
        .filter_map(|file| file.path.strip_prefix("docs/adr/").map(str::to_owned))
        .filter(|name| name != "README.md")
        .collect();
    assert!(records.len() >= 10, "{records:?}");
    expect_none(&rules::adr_index(&index, &records));
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let root = root();
    expect_none(&rules::links(&files(&[".md"]), |path| {
        root.join(path).exists()
    }));
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let documented = metrics::documented(&read("docs/operations.md"));
    assert!(documented.len() > 20, "{documented:?}");
    let dashboard = read("deploy/grafana/mcp-token-broker.json");
    for (path, text) in [
        ("alerts", read("deploy/prometheus/alerts.yml")),
        ("dashboard", dashboard.clone()),
    ] {
        let asked = metrics::asked_for(&text);
        assert!(asked.len() > 10, "{path}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&documented).collect();
        assert!(unknown.is_empty(), "{path} asks for {unknown:?}");
    }
    // And the dashboard shows all there is.
    let shown = metrics::asked_for(&dashboard);
    let missing: Vec<_> = documented
        .difference(&shown)
        .filter(|name| !name.ends_with("http_request_duration_seconds"))
        .collect();
    assert!(missing.is_empty(), "the dashboard lacks {missing:?}");
}

#[test]
fn the_example_configurations_show_every_key_with_its_default() {
    let programs = [
        ("deploy/broker.toml", "broker/src/config/", "BROKER__"),
        (
            "deploy/mcp-gateway.toml",
            "mcp-gateway/src/config/",
            "GATEWAY__",
        ),
    ];
    for (example, folder, prefix) in programs {
        let example = Source::new(example, &fs::read_to_string(root().join(example)).unwrap());
        let sources = rust()
            .into_iter()
            .filter(|source| source.path.starts_with(folder) && !source.path.ends_with("tests.rs"));
        expect_none(&examples::compare(
            &example,
            &sources.collect::<Vec<_>>(),
            prefix,
        ));
    }
}
