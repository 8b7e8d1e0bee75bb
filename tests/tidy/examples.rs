//! The example configuration files against the documentation of the code: every key is there, in
//! its section, with its default, and no other.
//!
//! The code's side is read off the doc comments: each key names its environment variable
//! (`PREFIX__SECTION__KEY`, entries of a list with a number), and its default as "Default `…`".

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::Source;

/// Section and key.
type Key = (String, String);

/// What is wrong with `example`, compared with the documentation in `sources`.
pub(crate) fn compare(example: &Source, sources: &[Source], prefix: &str) -> Vec<String> {
    let documented = documented(sources, prefix);
    let shown = shown(&example.text);
    let fields = fields(sources);
    let mut violations = Vec::new();
    for ((section, key), default) in &documented {
        match shown.get(&(section.clone(), key.clone())) {
            None => violations.push(format!("{}: [{section}] lacks {key}", example.path)),
            Some(line) => {
                let value = line.value.trim_matches('"');
                if let Some(default) = default
                    && line.commented
                    && value != default.trim_matches('"')
                {
                    let place = format!("{}: [{section}] {key}", example.path);
                    violations.push(format!("{place} shows {value}, the default is {default}"));
                }
            }
        }
    }
    let unknown = shown.keys().filter(|(_, key)| !fields.contains(key));
    violations.extend(unknown.map(|(section, key)| {
        format!(
            "{}: [{section}] {key} is no key of the configuration",
            example.path
        )
    }));
    violations
}

/// The keys that doc comments name, with the default where they say one.
fn documented(sources: &[Source], prefix: &str) -> BTreeMap<Key, Option<String>> {
    let mut keys = BTreeMap::new();
    for source in sources {
        for comment in doc_comments(&source.text) {
            let default = comment
                .split_once("Default `")
                .and_then(|(_, rest)| rest.split_once('`'))
                .map(|(default, _)| default.to_owned());
            for name in comment.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let Some(name) = name.strip_prefix(prefix) else {
                    continue;
                };
                let parts: Vec<_> = name
                    .split("__")
                    .filter(|part| *part != "0" && *part != "FILE")
                    .collect();
                if let [section, key, ..] = parts.as_slice()
                    && *section != "SECTION"
                {
                    let key = (section.to_lowercase(), key.to_lowercase());
                    keys.insert(key, default.clone());
                }
            }
        }
    }
    keys
}

/// The doc comments in front of fields, each as one text.
fn doc_comments(text: &str) -> Vec<String> {
    let mut comments = vec![String::new()];
    for line in text.lines() {
        match (line.trim().strip_prefix("///"), comments.last_mut()) {
            (Some(words), Some(last)) => {
                last.push_str(words);
                last.push(' ');
            }
            _ => comments.push(String::new()),
        }
    }
    comments
}

/// The names of all public fields.
fn fields(sources: &[Source]) -> BTreeSet<String> {
    let lines = sources.iter().flat_map(|source| source.text.lines());
    lines
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A key of the example file.
struct Shown {
    value: String,
    commented: bool,
}

fn shown(text: &str) -> BTreeMap<Key, Shown> {
    let mut section = String::new();
    let mut keys = BTreeMap::new();
    for line in text.lines() {
        let commented = line.starts_with('#');
        let line = line.trim_start_matches('#').trim();
        if let Some(name) = line.strip_prefix('[') {
            let name = name
                .trim_start_matches('[')
                .split(']')
                .next()
                .unwrap_or_default();
            if is_key(name.split('.').next().unwrap_or_default()) {
                name.clone_into(&mut section);
                // `[resources.scopes]` is the key `scopes` of `[[resources]]`.
                if let Some((parent, key)) = name.split_once('.') {
                    let value = Shown {
                        value: String::new(),
                        commented,
                    };
                    keys.insert((parent.to_owned(), key.to_owned()), value);
                }
            }
            continue;
        }
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        if is_key(key) && !section.contains('.') {
            let value = value
                .split(" # ")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            keys.insert(
                (section.clone(), key.to_owned()),
                Shown { value, commented },
            );
        }
    }
    keys
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
        /// Where we listen.\n///\n/// Default `127.0.0.1:1`. `X__SERVER__LISTEN`.\npub listen: A,\n\
        /// The name. Required. `X__CLIENTS__0__NAME`.\npub name: String,\n\
        pub scopes: B,\n";

    fn check(example: &str) -> Vec<String> {
        compare(
            &Source::new("x.toml", example),
            &[Source::new("x.rs", CODE)],
            "X__",
        )
    }

    #[test]
    fn a_complete_example_is_fine() {
        let example = "[server]\n# The place.\n# listen = \"127.0.0.1:1\"\n[[clients]]\nname = \"a\"\n\
                       [clients.scopes]\n\"a.b\" = \"c\"\n";
        assert_eq!(check(example), Vec::<String>::new());
    }

    #[test]
    fn a_missing_key_an_unknown_key_and_another_default_are_found() {
        let missing = "[server]\n# listen = \"127.0.0.1:1\"\n[[clients]]\n";
        assert_eq!(check(missing), ["x.toml: [clients] lacks name"]);
        let unknown = "[server]\nlisten = \"1\"\nspeed = 1\n[[clients]]\nname = \"a\"\n";
        assert_eq!(
            check(unknown),
            ["x.toml: [server] speed is no key of the configuration"]
        );
        let other = "[server]\n# listen = \"127.0.0.1:2\"\n[[clients]]\nname = \"a\"\n";
        assert_eq!(
            check(other),
            ["x.toml: [server] listen shows 127.0.0.1:2, the default is 127.0.0.1:1"]
        );
    }
}
