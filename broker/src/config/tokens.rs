//! `[tokens]`: how long things live.

use std::time::Duration;

use super::read::Section;
use crate::live::LONGEST_ACCESS_TOKEN;

/// `[tokens]`.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// How long an access token lives.
    ///
    /// Default `10m`, at most `1h`. `BROKER__TOKENS__ACCESS_TOKEN`. Shorter: more refreshing;
    /// longer: a stolen token is good for longer at servers that do not ask the broker.
    pub access_token: Duration,
    /// How long an authorization code is good.
    ///
    /// Default `60s`, at most `10m` (RFC 6749 §4.1.2). `BROKER__TOKENS__AUTHORIZATION_CODE`.
    pub authorization_code: Duration,
    /// How long a refresh token lives that is not used.
    ///
    /// Default `30d`. `BROKER__TOKENS__REFRESH_TOKEN`. A client that was idle for longer logs in
    /// again.
    pub refresh_token: Duration,
    /// How long a login lasts, however often it is refreshed.
    ///
    /// Default `90d`. `BROKER__TOKENS__REFRESH_TOKEN_ABSOLUTE`.
    pub refresh_token_absolute: Duration,
    /// How long after its use a refresh token may be repeated, for clients that lost the answer
    /// or run twice.
    ///
    /// Default `60s`, at most `5m`. `BROKER__TOKENS__REFRESH_GRACE`. `0s` punishes every
    /// repetition, honest ones too.
    pub refresh_grace: Duration,
    /// How long a login may take, from the client's request to the return from the provider.
    ///
    /// Default `10m`, at most `1h`. `BROKER__TOKENS__LOGIN`.
    pub login: Duration,
}

impl Tokens {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let tokens = Self {
            access_token: between(
                &mut section,
                "access_token",
                Duration::from_mins(10),
                Duration::from_secs(30),
                LONGEST_ACCESS_TOKEN,
                "must be from 30s to 1h",
            ),
            authorization_code: between(
                &mut section,
                "authorization_code",
                Duration::from_mins(1),
                Duration::from_secs(5),
                Duration::from_mins(10),
                "must be from 5s to 10m",
            ),
            refresh_token: between(
                &mut section,
                "refresh_token",
                Duration::from_hours(30 * 24),
                Duration::from_mins(1),
                YEARS,
                "must be from 1m to 3650d",
            ),
            refresh_token_absolute: between(
                &mut section,
                "refresh_token_absolute",
                Duration::from_hours(90 * 24),
                Duration::from_mins(1),
                YEARS,
                "must be from 1m to 3650d",
            ),
            refresh_grace: between(
                &mut section,
                "refresh_grace",
                Duration::from_mins(1),
                Duration::ZERO,
                Duration::from_mins(5),
                "must be at most 5m",
            ),
            login: between(
                &mut section,
                "login",
                Duration::from_mins(10),
                Duration::from_secs(30),
                Duration::from_hours(1),
                "must be from 30s to 1h",
            ),
        };
        if tokens.refresh_token > tokens.refresh_token_absolute {
            section.problem(
                "refresh_token",
                "must not be longer than tokens.refresh_token_absolute",
            );
        }
        section.finish();
        tokens
    }
}

/// Ten years: beyond it a number is a slip.
pub(super) const YEARS: Duration = Duration::from_hours(3650 * 24);

fn between(
    section: &mut Section<'_>,
    key: &'static str,
    default: Duration,
    least: Duration,
    most: Duration,
    hint: &str,
) -> Duration {
    section.checked(
        key,
        default,
        |duration| (least..=most).contains(duration),
        hint,
    )
}
