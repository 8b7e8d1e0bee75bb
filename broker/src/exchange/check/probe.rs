//! The questions themselves: what is sent to Nextcloud, and what each answer says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::http::{Answer, ClientAuthentication, HttpClient};
use http::header::{AUTHORIZATION, DATE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::{Finding, Question, Report, Situation};
use crate::ambient::Ambient;
use crate::domain::Strategy;
use crate::keys::{KeyError, Keyring};

/// How long a token of the check lives: one call, on clocks that agree.
const LIFETIME: i64 = 20;
/// Clocks that differ by more make minted tokens fail.
const TOLERABLE_SKEW: Duration = Duration::from_secs(20);
/// Who a call of the check is made as, in the token and in logs.
const CLIENT: &str = "check-downstream";

/// Asks Nextcloud.
pub struct Check {
    /// Our issuer identifier.
    pub issuer: String,
    /// What signs.
    pub keyring: Keyring,
    /// What asks; plain http must be allowed where the downstream's URI is.
    pub http: HttpClient,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// `status.php`, as far as it matters.
#[derive(Deserialize)]
struct Status {
    installed: bool,
    maintenance: bool,
    #[serde(rename = "needsDbUpgrade")]
    needs_upgrade: bool,
    #[serde(rename = "versionstring")]
    version: String,
}

/// A refusal of `user_oidc`'s logout endpoint.
#[derive(Deserialize)]
struct LogoutError {
    error: String,
}

/// A token that acts as a user.
#[derive(Serialize)]
struct CallClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// How a call as a user went.
enum Called {
    As(String),
    Refused,
    SecondFactor,
    Disabled,
    Otherwise(StatusCode),
}

impl Check {
    /// Finds out whether tokens for the downstream would be accepted.
    ///
    /// # Errors
    /// When the broker cannot sign. That Nextcloud does not answer is a finding.
    pub async fn run(&self, question: &Question<'_>) -> Result<Report, KeyError> {
        let mut report = Report {
            situation: Situation {
                issuer: self.issuer.clone(),
                url: question.downstream.uri.to_string(),
                audience: question.downstream.audience.clone(),
                provider: question.provider.to_owned(),
                user: question.user.map(str::to_owned),
            },
            findings: Vec::new(),
        };
        let is_there = self.status(question, &mut report.findings).await;
        if !is_there {
            return Ok(report);
        }
        if question.downstream.strategy != Strategy::Mint {
            report.findings.push(Finding::OtherStrategy);
            return Ok(report);
        }
        let trust = self.trust(question).await?;
        if trust == Finding::AppMissing {
            report.findings.push(trust);
            return Ok(report);
        }
        let is_accepted = match question.user {
            None => {
                report.findings.extend([trust.clone(), Finding::NoUser]);
                trust == Finding::Trusted
            }
            Some(uid) => {
                self.user(question, uid, trust, &mut report.findings)
                    .await?
            }
        };
        if is_accepted {
            let finding = if question.try_unknown_user {
                self.unknown_user(question).await?
            } else {
                Finding::AutoProvisioningUnseen
            };
            report.findings.push(finding);
        }
        Ok(report)
    }

    /// Whether a Nextcloud that can be asked more is there.
    async fn status(&self, question: &Question<'_>, findings: &mut Vec<Finding>) -> bool {
        let Some(answer) = self.get(question, &["status.php"], HeaderMap::new()).await else {
            findings.push(Finding::Unreachable);
            return false;
        };
        if answer.status.is_redirection() {
            findings.push(Finding::Redirected);
            return false;
        }
        let Ok(status) = answer.json::<Status>() else {
            findings.push(Finding::NotNextcloud);
            return false;
        };
        if !status.installed || status.maintenance || status.needs_upgrade {
            findings.push(Finding::Maintenance);
            return false;
        }
        findings.push(Finding::Nextcloud {
            version: status.version,
        });
        if let Some(skew) = self.skew(&answer).filter(|skew| *skew > TOLERABLE_SKEW) {
            findings.push(Finding::ClockSkew(skew));
        }
        true
    }

    /// How far the clock of the answer is from ours.
    fn skew(&self, answer: &Answer) -> Option<Duration> {
        let date = answer.headers.get(DATE)?.to_str().ok()?;
        let theirs = OffsetDateTime::parse(date, &Rfc2822).ok()?.unix_timestamp();
        let apart = theirs.abs_diff(self.ambient.now().as_secs());
        Some(Duration::from_secs(apart))
    }

    /// What `user_oidc` says to a logout token for a session that nobody has. It names no user, so
    /// it is worth nothing as a bearer token, on whose path `typ` is not looked at.
    async fn trust(&self, question: &Question<'_>) -> Result<Finding, KeyError> {
        let iat = self.ambient.now().as_secs();
        let token = self.keyring.sign(
            "logout+jwt",
            &json!({
                "iss": self.issuer,
                // A list: some versions fail over a text that is another one.
                "aud": [question.downstream.audience],
                "iat": iat,
                "exp": iat + LIFETIME,
                "jti": self.random(),
                "sid": format!("check-{}", self.random()),
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            }),
        )?;
        let path = [
            "index.php",
            "apps",
            "user_oidc",
            "backchannel-logout",
            question.provider,
        ];
        let Some(url) = address(question, &path) else {
            return Ok(Finding::NotNextcloud);
        };
        let nobody = ClientAuthentication::None {
            client_id: CLIENT.to_owned(),
        };
        let sent = self
            .http
            .post_form(&url, &nobody, &[("logout_token", &token)])
            .await;
        let Ok(answer) = sent else {
            return Ok(Finding::Unreachable);
        };
        let error = answer.json::<LogoutError>().map(|body| body.error);
        Ok(match (answer.status, error.as_deref()) {
            (StatusCode::OK, _)
            | (StatusCode::BAD_REQUEST, Ok("invalid SID" | "invalid SID or ISS")) => {
                Finding::Trusted
            }
            (StatusCode::BAD_REQUEST, Ok("provider not found")) => Finding::ProviderMissing,
            (StatusCode::BAD_REQUEST, Ok("invalid audience")) => Finding::AudienceMismatch,
            (StatusCode::BAD_REQUEST, Ok("invalid iss")) => Finding::IssuerMismatch,
            // A token that does not verify, or keys that cannot be had, are not caught there.
            (StatusCode::INTERNAL_SERVER_ERROR, _) => Finding::KeyUnknown,
            (StatusCode::NOT_FOUND, _) => Finding::AppMissing,
            (status, _) => Finding::Unexpected {
                status: status.as_u16(),
            },
        })
    }

    /// Tries a call as `uid`; says whether it works.
    async fn user(
        &self,
        question: &Question<'_>,
        uid: &str,
        trust: Finding,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, KeyError> {
        if !self.may_exist(question, uid).await {
            if trust != Finding::Trusted {
                findings.push(trust);
            }
            findings.push(Finding::UserUnknown);
            return Ok(false);
        }
        let (called, opens_session) = self.call(question, uid).await?;
        let finding = match called {
            Called::As(found) if found == uid => Finding::Accepted,
            Called::As(found) => Finding::OtherAccount { found },
            Called::SecondFactor => Finding::SecondFactor,
            Called::Disabled => Finding::AccountDisabled,
            Called::Refused if trust == Finding::Trusted => Finding::BearerCheckOff,
            Called::Refused => trust,
            Called::Otherwise(status) => Finding::Unexpected {
                status: status.as_u16(),
            },
        };
        let is_accepted = finding == Finding::Accepted;
        findings.push(finding);
        if opens_session {
            findings.push(Finding::SessionOpened);
        }
        Ok(is_accepted)
    }

    /// Whether Nextcloud shows a picture for `uid`, as it does for every account and to everybody.
    async fn may_exist(&self, question: &Question<'_>, uid: &str) -> bool {
        let path = ["index.php", "avatar", uid, "64"];
        let answer = self.get(question, &path, HeaderMap::new()).await;
        answer.is_none_or(|answer| answer.status != StatusCode::NOT_FOUND)
    }

    async fn unknown_user(&self, question: &Question<'_>) -> Result<Finding, KeyError> {
        let uid = format!("mcp-broker-check-{}", self.random());
        let (called, _) = self.call(question, &uid).await?;
        Ok(match called {
            Called::As(uid) => Finding::AutoProvisioning { uid },
            Called::Refused => Finding::NoAutoProvisioning,
            Called::SecondFactor | Called::Disabled => Finding::AutoProvisioningUnseen,
            Called::Otherwise(status) => Finding::Unexpected {
                status: status.as_u16(),
            },
        })
    }

    /// Asks who a token for `uid` is, and whether the answer opened a session.
    async fn call(&self, question: &Question<'_>, uid: &str) -> Result<(Called, bool), KeyError> {
        let iat = self.ambient.now().as_secs();
        let token = self.keyring.sign(
            "JWT",
            &CallClaims {
                iss: &self.issuer,
                sub: uid,
                aud: &question.downstream.audience,
                client_id: CLIENT,
                iat,
                exp: iat + LIFETIME,
                jti: self.random(),
            },
        )?;
        let mut headers = HeaderMap::new();
        headers.insert("ocs-apirequest", HeaderValue::from_static("true"));
        if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {token}")) {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let path = ["ocs", "v2.php", "cloud", "user"];
        let Some(answer) = self.get(question, &path, headers.clone()).await else {
            return Ok((Called::Otherwise(StatusCode::GATEWAY_TIMEOUT), false));
        };
        let called = match answer.status {
            StatusCode::OK => match uid_of(&answer) {
                Some(found) => Called::As(found),
                None => Called::Otherwise(StatusCode::OK),
            },
            StatusCode::SEE_OTHER => Called::SecondFactor,
            // WebDAV lets disabled accounts in, or says that they are disabled.
            StatusCode::UNAUTHORIZED => {
                let path = ["remote.php", "dav", "files", uid, CLIENT];
                let dav = self.get(question, &path, headers).await;
                if dav.is_some_and(|dav| dav.status != StatusCode::UNAUTHORIZED) {
                    Called::Disabled
                } else {
                    Called::Refused
                }
            }
            status => Called::Otherwise(status),
        };
        Ok((called, opens_session(&answer)))
    }

    /// Gets below the downstream's URL; `None` when no answer comes.
    async fn get(
        &self,
        question: &Question<'_>,
        path: &[&str],
        headers: HeaderMap,
    ) -> Option<Answer> {
        let mut url = address(question, path)?;
        url.set_query(Some("format=json"));
        self.http.get(&url, headers).await.ok()
    }

    fn random(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.ambient.random::<12>())
    }
}

/// A URL below the downstream's, each segment encoded.
fn address(question: &Question<'_>, path: &[&str]) -> Option<Url> {
    let mut url = Url::parse(question.downstream.uri.as_str()).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url)
}

/// The account that an answer of `cloud/user` is about.
fn uid_of(answer: &Answer) -> Option<String> {
    let body: Value = answer.json().ok()?;
    Some(body.pointer("/ocs/data/id")?.as_str()?.to_owned())
}

/// Whether the answer sets a remember-me cookie; those that set none clear it.
fn opens_session(answer: &Answer) -> bool {
    answer
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .any(|cookie| cookie.starts_with("nc_token=") && !cookie.starts_with("nc_token=deleted"))
}
