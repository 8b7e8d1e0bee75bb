//! Which file name a note gets: safe on every system, and not taken.

use super::super::tree::Tree;

/// The title of a note that gets none.
const NEW_NOTE: &str = "New note";
/// Longer titles are cut, in characters.
const LONGEST_TITLE: usize = 100;

/// A path in the folder that is free, or already the note's own.
pub(super) fn free_path(
    tree: &Tree,
    folder: &[String],
    title: &str,
    suffix: &str,
    own: Option<u64>,
) -> Vec<String> {
    let mut title = safe_title(title);
    loop {
        let mut path = folder.to_vec();
        path.push(format!("{title}{suffix}"));
        match tree.get(&path) {
            None => return path,
            Some(node) if Some(node.id) == own => return path,
            Some(_) => title = next_title(&title),
        }
    }
}

/// `Title` → `Title (2)` → `Title (3)`.
fn next_title(title: &str) -> String {
    let numbered = title
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once(" ("))
        .and_then(|(base, number)| Some((base, number.parse::<u64>().ok()?)));
    match numbered {
        Some((base, number)) => format!("{base} ({})", number + 1),
        None => format!("{title} (2)"),
    }
}

fn safe_title(title: &str) -> String {
    let clean = sanitised(title);
    let first_line = clean.lines().next().unwrap_or_default().trim();
    let cut: String = first_line.chars().take(LONGEST_TITLE).collect();
    if cut.is_empty() {
        NEW_NOTE.to_owned()
    } else {
        cut
    }
}

/// Drops what some operating system forbids in a name, and dots that would hide the file.
pub(super) fn sanitised(name: &str) -> String {
    const FORBIDDEN: [char; 9] = ['*', '|', '/', '\\', ':', '"', '<', '>', '?'];
    let allowed: String = name.chars().filter(|c| !FORBIDDEN.contains(c)).collect();
    allowed.trim_start_matches(['.', ' ']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_file_name_that_every_system_takes() {
        assert_eq!(safe_title("..a/b:c?"), "abc");
        assert_eq!(safe_title("one\ntwo"), "one");
        assert_eq!(safe_title(" . "), "New note");
        assert_eq!(safe_title(&"x".repeat(200)).len(), 100);
    }

    #[test]
    fn a_taken_title_counts_up() {
        assert_eq!(next_title("a"), "a (2)");
        assert_eq!(next_title("a (2)"), "a (3)");
        assert_eq!(next_title("a (b)"), "a (b) (2)");
    }
}
