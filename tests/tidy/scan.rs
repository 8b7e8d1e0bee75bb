//! A source file with and without its comments, strings and tests.

/// A file: where it is, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.replace('\\', "/"),
            text: text.to_owned(),
        }
    }

    /// How many lines there are in front of the inline tests.
    ///
    /// Those stand at the end of a file by convention.
    pub(crate) fn without_tests(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            matches!(pair, [attribute, item]
                if attribute.trim() == "#[cfg(test)]" && item.trim_start().starts_with("mod "))
        });
        tests.unwrap_or(lines.len())
    }

    /// The lines that are code outside comments and inline tests, numbered from 1.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().take(self.without_tests());
        lines.filter_map(|(index, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((index + 1, code))
        })
    }

    /// The names after `prefix` wherever it stands as a path of its own in the code, with lines:
    /// `names("crate::")` finds `storage` in `use crate::storage::Store`, and both names in
    /// `use crate::{audit, keys::Keyring}`.
    pub(crate) fn names(&self, prefix: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            for (index, _) in line.match_indices(prefix) {
                let before = line
                    .get(..index)
                    .and_then(|before| before.chars().next_back());
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let rest = line.get(index + prefix.len()..).unwrap_or_default();
                match rest.strip_prefix('{') {
                    Some(group) => found.extend(self.group(number, group)),
                    None => found.push((number, identifier(rest))),
                }
            }
        }
        found.retain(|(_, name)| !name.is_empty());
        found
    }

    /// The first names of the members of a brace group, which may go on over several lines.
    fn group(&self, number: usize, start: &str) -> Vec<(usize, String)> {
        let rest = self.text.lines().skip(number);
        let mut depth = 1;
        let mut member = String::new();
        let mut members = Vec::new();
        for character in start
            .chars()
            .chain(rest.flat_map(|line| line.chars().chain([' '])))
        {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => members.push(std::mem::take(&mut member)),
                _ if depth == 1 => member.push(character),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        members.push(member);
        members
            .iter()
            .map(|member| (number, identifier(member.trim())))
            .collect()
    }

    /// The lines on which the crate or module `name` is used: by a path, or imported as a whole.
    pub(crate) fn uses(&self, name: &str) -> Vec<usize> {
        if let Some((parent, child)) = name.rsplit_once("::") {
            let names = self.names(&format!("{parent}::")).into_iter();
            return names
                .filter(|(_, name)| name == child)
                .map(|(line, _)| line)
                .collect();
        }
        let paths = self
            .names(&format!("{name}::"))
            .into_iter()
            .map(|(line, _)| line);
        let whole = self.code().filter_map(|(number, line)| {
            let line = line.trim();
            let imported = line == format!("use {name};")
                || line.starts_with(&format!("use {name} as "))
                || line.starts_with(&format!("use {name}::{{"));
            imported.then_some(number)
        });
        let mut lines: Vec<usize> = paths.chain(whole).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_paths_and_groups_but_not_in_comments_tests_or_longer_paths() {
        let source = Source::new(
            "a.rs",
            "use crate::one::A;\nuse crate::{two::{B, C},\n    three};\nlet x = crate::four::f();\n\
             // crate::five\nmycrate::six();\n#[cfg(test)]\nmod tests { use crate::seven::X; }\n",
        );
        let names: Vec<_> = source
            .names("crate::")
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["one", "two", "three", "four"]);
    }

    #[test]
    fn a_crate_is_used_by_a_path_or_whole() {
        assert_eq!(
            Source::new("a.rs", "use axum::Router;\nuse axum;\n").uses("axum"),
            [1, 2]
        );
        assert!(
            Source::new("a.rs", "use broker_axum::Router;\n")
                .uses("axum")
                .is_empty()
        );
    }
}
