//! A small reader of HTML: tags, attributes and character references, which is all that forms need.
//!
//! Scripts, styles and comments are skipped.

/// One tag: its name in lower case (with `/` when it closes) and its attributes.
pub(super) struct Tag {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }
}

/// All tags of a page, in their order.
pub(super) fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = tag_end(after);
        let (inside, behind) = after.split_at(end);
        rest = behind;
        let tag = read_tag(inside);
        if matches!(tag.name.as_str(), "script" | "style") {
            let close = format!("</{}", tag.name);
            rest = rest.split_once(close.as_str()).map_or("", |(_, rest)| rest);
        }
        tags.push(tag);
    }
    tags
}

/// The words between the tags, outside of what is not shown, white space folded.
pub(super) fn words(html: &str) -> String {
    let mut words = String::new();
    let mut rest = html.split_once("</head>").map_or(html, |(_, body)| body);
    while let Some((before, after)) = rest.split_once('<') {
        words.push_str(before);
        words.push(' ');
        let (inside, behind) = after.split_at(tag_end(after));
        rest = behind.strip_prefix('>').unwrap_or_default();
        let hidden = ["script", "style"]
            .into_iter()
            .find(|name| inside.starts_with(name));
        if let Some(name) = hidden {
            let close = format!("</{name}");
            rest = rest.find(&close).map_or("", |index| rest.split_at(index).1);
        }
    }
    words.push_str(rest);
    unescape(&words)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where the tag ends: the first `>` outside quotes.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return index,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn read_tag(inside: &str) -> Tag {
    let inside = inside.trim_end_matches('/').trim();
    let (name, mut rest) = inside
        .split_once(char::is_whitespace)
        .unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let key = key.to_ascii_lowercase();
        let Some(value) = after.trim_start().strip_prefix('=') else {
            attributes.push((key, String::new()));
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let unquoted = value.trim_start_matches(quote);
                // An empty value is two quotes, both of which are gone now.
                if value.starts_with(&format!("{quote}{quote}")) {
                    ("", unquoted)
                } else {
                    unquoted.split_once(quote).unwrap_or((unquoted, ""))
                }
            }
            _ => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        attributes.push((key, unescape(value)));
        rest = after;
    }
    Tag {
        name: name.to_ascii_lowercase(),
        attributes,
    }
}

/// The character references that servers write.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let reference = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        let decoded = reference.and_then(|(name, behind)| Some((character(name)?, behind)));
        let (character, behind) = decoded.unwrap_or(('&', after));
        plain.push(character);
        rest = behind;
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
