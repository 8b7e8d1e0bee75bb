//! How long an answer may be used again, by its headers (RFC 9111 §4.2), within our own bounds.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderName};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The shortest: whatever a host says, logins do not make us ask it more often.
const FLOOR: Duration = Duration::from_mins(5);

/// The longest: a redirect URI that the client gave up is refused the next day at the latest.
const CEILING: Duration = Duration::from_hours(24);

/// Where the headers say nothing.
const BY_DEFAULT: Duration = Duration::from_hours(1);

/// How long an answer with these headers is fresh.
pub(super) fn fresh_for(headers: &HeaderMap) -> Duration {
    announced(headers)
        .unwrap_or(BY_DEFAULT)
        .clamp(FLOOR, CEILING)
}

/// What the headers say; none when they say nothing that can be read.
fn announced(headers: &HeaderMap) -> Option<Duration> {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    let is_said = |word: &str| directives.iter().any(|directive| directive == word);
    if is_said("no-store") || is_said("no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds = directives
        .iter()
        .find_map(|directive| directive.strip_prefix("max-age="))
        .map(|seconds| seconds.trim_matches('"'));
    if let Some(seconds) = seconds {
        // RFC 9111 §4.2.1: what cannot be read is stale.
        let max_age = seconds.parse().map_or(Duration::ZERO, Duration::from_secs);
        return Some(max_age.saturating_sub(age(headers)));
    }
    let expires = headers.get(EXPIRES)?;
    let Some(expires) = expires.to_str().ok().and_then(parse_date) else {
        // As of `Expires: 0`.
        return Some(Duration::ZERO);
    };
    let date = text(headers, &DATE).and_then(parse_date)?;
    Some(Duration::try_from(expires - date).unwrap_or(Duration::ZERO))
}

/// How long ago a cache on the way got the answer.
fn age(headers: &HeaderMap) -> Duration {
    let seconds = text(headers, &AGE).and_then(|age| age.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A date of RFC 9110 §5.6.7 in its usual form, which is one of RFC 2822 too.
fn parse_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_decide_within_the_bounds() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (headers, minutes) in [
            (&[][..], 60),
            (&[("cache-control", "public")], 60),
            (&[("cache-control", "max-age=1800")], 30),
            (
                &[("cache-control", "public, Max-Age=\"1800\", immutable")],
                30,
            ),
            (
                &[
                    ("cache-control", "private"),
                    ("cache-control", "max-age=1800"),
                ],
                30,
            ),
            (&[("cache-control", "max-age=1800"), ("age", "600")], 20),
            (&[("cache-control", "max-age=1800"), ("age", "soon")], 30),
            (&[("cache-control", "s-maxage=1800")], 60),
            // `max-age` goes before `Expires`.
            (
                &[
                    ("cache-control", "max-age=1800"),
                    date,
                    ("expires", "Sun, 06 Nov 1994 09:49:37 GMT"),
                ],
                30,
            ),
            (&[date, ("expires", "Sun, 06 Nov 1994 09:29:37 GMT")], 40),
            // Below the floor.
            (&[("cache-control", "max-age=0")], 5),
            (&[("cache-control", "max-age=1800"), ("age", "1800")], 5),
            (&[("cache-control", "max-age=soon")], 5),
            (&[("cache-control", "no-store")], 5),
            (&[("cache-control", "max-age=1800, no-cache")], 5),
            (&[("expires", "0")], 5),
            (&[date, ("expires", "Sun, 06 Nov 1994 08:00:00 GMT")], 5),
            // Above the ceiling.
            (&[("cache-control", "max-age=31536000")], 24 * 60),
            (
                &[("cache-control", "max-age=18446744073709551615")],
                24 * 60,
            ),
            (
                &[date, ("expires", "Mon, 06 Nov 1995 08:49:37 GMT")],
                24 * 60,
            ),
            // `Expires` alone cannot be measured.
            (&[("expires", "Mon, 06 Nov 1995 08:49:37 GMT")], 60),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(fresh_for(&map), Duration::from_mins(minutes), "{headers:?}");
        }
    }
}
