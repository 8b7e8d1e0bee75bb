//! Searching notes. The API cannot filter by text, so notes are read in chunks, newest first as
//! the app orders them, and no more chunks than needed; a cursor goes on where a search stopped.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NOTES, READ, notes};
use crate::{
    error::{Describe, ToolError},
    nextcloud::{Client, Request},
    tools::{Effect, Tool},
};

/// Notes read with one request.
const CHUNK: usize = 100;
/// Requests made for one call at most.
const CHUNKS: usize = 5;
/// Matches returned unless asked otherwise, and at most.
const LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;
/// The part of the words that has to be found; a word counts full in the title and less elsewhere.
const ENOUGH: f64 = 0.5;
const OUTSIDE_TITLE: f64 = 0.6;
/// Characters shown around the first word found.
const EXCERPT: usize = 160;

pub(super) fn tool() -> Tool {
    Tool::new("nc_notes_search_notes", Effect::Read, READ, search)
        .described(
            "Search notes",
            "Finds notes whose title, category or text has the words of the query, best matches \
         first, with an excerpt. An empty query lists notes. Use it to find the id of a note; \
         read the whole text with nc_notes_get_note. When next_cursor is in the answer there are \
         notes that were not searched yet: call again with it.",
        )
        .calls(&["GET /index.php/apps/notes/api/v1/notes in chunks, five at most"])
}

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    /// The words to look for; not case-sensitive, order does not matter.
    query: String,
    /// How many notes to return at most: 20 unless given, 100 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// The `next_cursor` of an earlier answer, to go on from there.
    #[serde(default)]
    cursor: Option<String>,
}

/// The notes found.
#[derive(Serialize, JsonSchema)]
struct Found {
    /// The notes, best match first.
    results: Vec<Match>,
    /// How many notes were looked at.
    searched: usize,
    /// Matches that did not fit: use more words or a higher limit to see them.
    left_out: usize,
    /// Where to go on: there are notes that were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A note that was found.
#[derive(Serialize, JsonSchema)]
struct Match {
    /// The note's id.
    id: u64,
    /// The title.
    title: String,
    /// The category; empty when it has none.
    category: String,
    /// When it was last changed, in seconds since 1970.
    modified: i64,
    /// Some text around the first word found.
    excerpt: String,
    /// How well it matches, from 0 to 1.
    score: f64,
}

/// A note as the list gives it. In the last chunk, notes of earlier chunks are there with only an
/// id, so that a client that synchronises can tell what was deleted.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    title: Option<String>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    modified: i64,
}

async fn search(client: Client, arguments: Arguments) -> Result<Found, ToolError> {
    let limit = arguments.limit.unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    let query = arguments.query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found = Found {
        results: Vec::new(),
        searched: 0,
        left_out: 0,
        next_cursor: arguments.cursor,
    };
    for _ in 0..CHUNKS {
        let mut request = Request::new(Method::GET, notes()).query("chunkSize", CHUNK.to_string());
        if let Some(cursor) = found.next_cursor.take() {
            request = request.query("chunkCursor", cursor);
        }
        let answer = client.send(&request).await.about(&NOTES)?;
        let listed: Vec<Listed> = answer.json().about(&NOTES)?;
        found.next_cursor = answer.header("x-notes-chunk-cursor").map(str::to_owned);
        for note in listed {
            let Some(title) = &note.title else { continue };
            found.searched += 1;
            let score = score(&words, title, &note);
            if score >= ENOUGH {
                found.results.push(Match {
                    excerpt: excerpt(&note.content, &words),
                    id: note.id,
                    title: title.clone(),
                    category: note.category,
                    modified: note.modified,
                    score,
                });
            }
        }
        if found.next_cursor.is_none() || found.results.len() >= limit {
            break;
        }
        let (searched, matches) = (found.searched, found.results.len());
        client
            .progress()
            .report(searched, None, || {
                format!("{searched} notes searched, {matches} match")
            })
            .await;
    }
    found.results.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(b.modified.cmp(&a.modified))
    });
    found.left_out = found.results.len().saturating_sub(limit);
    found.results.truncate(limit);
    Ok(found)
}

/// The mean over the words: 1 in the title, less elsewhere, 0 nowhere. No words match anything.
fn score(words: &[&str], title: &str, note: &Listed) -> f64 {
    let title = title.to_lowercase();
    let rest = format!("{}\n{}", note.category, note.content).to_lowercase();
    let (mut sum, mut count) = (0.0, 0.0);
    for word in words {
        count += 1.0;
        if title.contains(word) {
            sum += 1.0;
        } else if rest.contains(word) {
            sum += OUTSIDE_TITLE;
        }
    }
    if count > 0.0 { sum / count } else { 1.0 }
}

/// The text around the first word found in a line, or the first line, cut.
fn excerpt(content: &str, words: &[&str]) -> String {
    // In characters: lower case may have other byte lengths.
    let position = |line: &str| {
        let line = line.to_lowercase();
        let byte = words.iter().filter_map(|word| line.find(word)).min()?;
        Some(line.get(..byte)?.chars().count())
    };
    let mut lines = content
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let (line, position) = lines
        .clone()
        .find_map(|line| Some((line, position(line)?)))
        .or_else(|| Some((lines.next()?, 0)))
        .unwrap_or_default();
    line.chars()
        .skip(position.saturating_sub(EXCERPT / 4))
        .take(EXCERPT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(content: &str, category: &str) -> Listed {
        Listed {
            id: 1,
            title: None,
            content: content.to_owned(),
            category: category.to_owned(),
            modified: 0,
        }
    }

    #[test]
    fn words_in_the_title_weigh_more() {
        let title = score(&["plan"], "The Plan", &note("", ""));
        let text = score(&["plan"], "Other", &note("our plan", ""));
        let category = score(&["work"], "Other", &note("", "Work/Q1"));
        assert!(title > text && text >= ENOUGH && category >= ENOUGH);
        assert!(score(&["plan", "holiday", "budget"], "The plan", &note("", "")) < ENOUGH);
    }

    #[test]
    fn an_empty_query_matches_everything() {
        assert!(score(&[], "Any", &note("", "")) >= ENOUGH);
    }

    #[test]
    fn the_excerpt_shows_the_line_that_matches() {
        assert_eq!(
            excerpt("# Title\n\nsome Äpfel here\n", &["äpfel"]),
            "some Äpfel here"
        );
        assert_eq!(excerpt("\n first\nsecond", &["nowhere"]), "first");
        assert_eq!(excerpt(&"ä".repeat(500), &[]).chars().count(), EXCERPT);
        let far = format!("{} needle", "x ".repeat(300));
        assert!(excerpt(&far, &["needle"]).ends_with("needle"));
    }
}
