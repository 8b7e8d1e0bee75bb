//! Paths of Nextcloud, built from segments and encoded one by one.
//!
//! Owns percent-encoding: no path is ever joined from strings, so a name such as `../settings`
//! or `a?b#c` stays one segment. Which routes are refused is `deny`'s matter.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A route of Nextcloud below its base URL, already encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    path: String,
    is_sound: bool,
}

impl Route {
    /// A route of the OCS API, version 2: `/ocs/v2.php/…`.
    #[must_use]
    pub fn ocs<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::below("/ocs/v2.php").join(segments)
    }

    /// A route of an app: `/index.php/apps/{app}/…`.
    ///
    /// The front controller is always named: without it the route depends on the rewrite rules
    /// of the web server.
    #[must_use]
    pub fn app<'a>(app: &str, segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::below("/index.php/apps").join([app]).join(segments)
    }

    /// A route of the DAV server: `/remote.php/dav/…`.
    #[must_use]
    pub fn dav<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::below("/remote.php/dav").join(segments)
    }

    fn below(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            is_sound: true,
        }
    }

    /// The route with these segments added, each encoded on its own.
    #[must_use]
    pub fn join<'a>(mut self, segments: impl IntoIterator<Item = &'a str>) -> Self {
        for segment in segments {
            // No encoding saves these: every URL parser takes `%2e%2e` for `..` as well, and
            // Nextcloud decodes `%2F` before it takes a path apart.
            self.is_sound &= !matches!(segment, "" | "." | "..") && !segment.contains('/');
            self.path.push('/');
            self.path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        self
    }

    /// The route of a collection, which ends in a slash.
    #[must_use]
    pub fn collection(mut self) -> Self {
        self.path.push('/');
        self
    }

    /// The encoded path, starting with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Whether every segment is a name; the client sends no other route.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_sound
    }
}

/// Why a path of a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A segment is `.` or `..`.
    #[error("a path may not contain \".\" or \"..\"")]
    Dots,
    /// A NUL or another control character.
    #[error("a path may not contain control characters")]
    Control,
}

/// A path of a file or folder in the user's own tree, such as `Documents/plan.md`.
///
/// Leading, trailing and doubled slashes do not matter; the empty path is the user's root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePath(Vec<String>);

impl FilePath {
    /// Whether this is the user's root folder.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The segments, decoded.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The folder that this is in; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .split_last()
                .map(|(_, rest)| rest.to_vec())
                .unwrap_or_default(),
        )
    }

    /// The path of `name` in this folder.
    ///
    /// # Errors
    ///
    /// As for parsing, and when `name` is more than one segment.
    pub fn child(&self, name: &str) -> Result<Self, PathError> {
        let tail: Self = name.parse()?;
        if tail.0.len() != 1 || name.contains('/') {
            return Err(PathError::Dots);
        }
        let mut segments = self.0.clone();
        segments.extend(tail.0);
        Ok(Self(segments))
    }

    /// The path that an encoded `href` names below `/remote.php/dav/files/{user}`; `None` when it
    /// is another tree or not UTF-8.
    pub(super) fn from_href(href: &str, user: &str) -> Option<Self> {
        let (_, rest) = href.split_once("/remote.php/dav/files/")?;
        let mut segments = Vec::new();
        for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
            segments.push(percent_decode_str(segment).decode_utf8().ok()?.into_owned());
        }
        if segments.first().map(String::as_str) != Some(user) {
            return None;
        }
        Some(Self(segments.split_off(1)))
    }
}

impl FromStr for FilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut segments = Vec::new();
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            if matches!(segment, "." | "..") {
                return Err(PathError::Dots);
            }
            if segment.chars().any(char::is_control) {
                return Err(PathError::Control);
            }
            segments.push(segment.to_owned());
        }
        Ok(Self(segments))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        f.write_str(&self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reproducible stream of odd characters: everything that a URL could trip over.
    fn odd_names() -> impl Iterator<Item = String> {
        let alphabet: Vec<char> = "aZ09-._~ %/\\?#&=+;:@!$'()*,[]{}|^`\"<>\t\0ä€😀\u{202e}\u{301}"
            .chars()
            .collect();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        (0..4000).map(move |_| {
            let mut name = String::new();
            for _ in 0..=(state % 12) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                name.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            name
        })
    }

    #[test]
    fn any_name_stays_exactly_one_segment_of_the_url() {
        let base = url::Url::parse("https://cloud.example/nc").expect("base");
        for name in odd_names() {
            let route = Route::dav(["files", "alice", &name]);
            let url = url::Url::parse(&format!("{base}{}", route.as_str())).expect("url");
            assert_eq!(
                url.path(),
                format!("/nc{}", route.as_str()),
                "url changed {name:?}"
            );
            assert_eq!((url.query(), url.fragment()), (None, None), "{name:?}");
            assert_eq!(route.is_sound(), !name.contains('/'), "{name:?}");
            let last = url
                .path_segments()
                .expect("segments")
                .next_back()
                .expect("last");
            let decoded = percent_decode_str(last).decode_utf8().expect("utf-8");
            assert_eq!(decoded, name);
        }
    }

    #[test]
    fn a_segment_that_is_no_name_makes_the_route_unsound() {
        for segment in ["", ".", "..", "a/b", "../b"] {
            assert!(
                !Route::app("notes", ["notes", segment, "x"]).is_sound(),
                "{segment:?}"
            );
        }
        assert!(Route::dav([]).collection().is_sound());
    }

    #[test]
    fn a_path_keeps_its_names_on_the_way_through_an_href() {
        for name in odd_names() {
            let Ok(path) = format!("Folder/{name}").parse::<FilePath>() else {
                continue;
            };
            let route = Route::dav(["files", "alice"]).join(path.segments());
            let href = format!("/nc{}/", route.as_str());
            assert_eq!(FilePath::from_href(&href, "alice"), Some(path));
        }
    }

    #[test]
    fn dot_segments_and_control_characters_are_refused() {
        for (text, error) in [
            ("..", PathError::Dots),
            ("a/../b", PathError::Dots),
            ("./a", PathError::Dots),
            ("a/\0", PathError::Control),
            ("a\nb", PathError::Control),
        ] {
            assert_eq!(text.parse::<FilePath>(), Err(error), "{text:?}");
        }
        assert_eq!(
            "..a/b.."
                .parse::<FilePath>()
                .expect("only dots are special")
                .to_string(),
            "/..a/b.."
        );
    }

    #[test]
    fn slashes_around_a_path_do_not_matter() {
        let path: FilePath = "//Documents//plan.md/".parse().expect("path");
        assert_eq!(path.to_string(), "/Documents/plan.md");
        assert_eq!(path.name(), "plan.md");
        assert_eq!(path.parent().to_string(), "/Documents");
        assert!("/".parse::<FilePath>().expect("root").is_root());
    }

    #[test]
    fn a_child_is_one_segment() {
        let folder: FilePath = "Notes".parse().expect("path");
        assert_eq!(
            folder.child("a b.png").expect("child").to_string(),
            "/Notes/a b.png"
        );
        for name in ["", "/", "..", "a/b", "/a", "a/"] {
            assert!(folder.child(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_href_of_another_tree_is_no_path() {
        assert_eq!(
            FilePath::from_href("/remote.php/dav/files/bob/x", "alice"),
            None
        );
        assert_eq!(
            FilePath::from_href("/remote.php/dav/calendars/alice/x", "alice"),
            None
        );
    }
}
