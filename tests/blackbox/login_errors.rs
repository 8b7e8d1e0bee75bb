//! What goes wrong before and during a login, and who is told: the person on a page, or the client
//! by a redirect (RFC 6749 §4.1.2.1).

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::{REDIRECT_URI, Server, code_grant};
use harness::deployment::Deployment;
use harness::http::{Answer, query};
use harness::idp::{Fault, IdpHandle};
use url::Url;

use crate::support::{Agent, bad_request, refusal, run, shared};

/// An authorization URL with one parameter changed, removed or repeated.
fn changed(url: &Url, name: &str, value: Option<&str>) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key != name)
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(value.map(|value| (name, value)));
    url
}

fn repeated(url: &Url, name: &str, value: &str) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair(name, value);
    url
}

#[test]
fn an_unknown_client_or_redirect_uri_is_shown_on_a_page_and_never_redirected() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let url = agent.pending()?.url;
        let cases = [
            changed(&url, "client_id", Some("nobody")),
            changed(&url, "client_id", None),
            changed(
                &url,
                "redirect_uri",
                Some("https://attacker.example/callback"),
            ),
            changed(
                &url,
                "redirect_uri",
                Some("http://127.0.0.1:33418/callback/other"),
            ),
            changed(&url, "redirect_uri", Some("javascript:alert(1)")),
            repeated(&url, "client_id", "nobody"),
            repeated(&url, "redirect_uri", "https://attacker.example/callback"),
        ];
        for case in cases {
            let answer = agent.http.get(case.as_str()).await?;
            assert_eq!(answer.status.as_u16(), 400, "{case}: {}", answer.describe());
            assert!(answer.header("location").is_none(), "{case} was redirected");
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/html"), "{case} answered {kind}");
        }
        Ok(())
    })
}

#[test]
fn everything_else_is_told_to_the_client_with_state_and_iss() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let pending = agent.pending()?;
        let url = &pending.url;
        let cases = [
            (
                changed(url, "response_type", Some("token")),
                "unsupported_response_type",
            ),
            (changed(url, "response_type", None), "invalid_request"),
            (changed(url, "code_challenge", None), "invalid_request"),
            (
                changed(url, "code_challenge_method", Some("plain")),
                "invalid_request",
            ),
            (
                changed(url, "code_challenge", Some("too-short")),
                "invalid_request",
            ),
            (
                changed(url, "resource", Some("https://unknown.example/mcp")),
                "invalid_target",
            ),
            (changed(url, "resource", Some("no-uri")), "invalid_target"),
            (changed(url, "scope", Some("mail.send")), "invalid_scope"),
            (
                repeated(url, "code_challenge_method", "S256"),
                "invalid_request",
            ),
        ];
        for (case, expected) in cases {
            let answer = agent.http.get(case.as_str()).await?;
            told_to_client(deployment, &answer, &pending.state, expected)?;
        }
        Ok(())
    })
}

fn told_to_client(
    deployment: &Deployment,
    answer: &Answer,
    state: &str,
    expected: &str,
) -> Result<()> {
    let redirect = answer.location().with_context(|| answer.describe())?;
    assert!(redirect.as_str().starts_with(REDIRECT_URI), "{redirect}");
    assert_eq!(
        query(&redirect, "error").as_deref(),
        Some(expected),
        "{}",
        answer.url
    );
    assert_eq!(
        query(&redirect, "state").as_deref(),
        Some(state),
        "{}",
        answer.url
    );
    assert_eq!(
        query(&redirect, "iss"),
        Some(deployment.issuer()),
        "{}",
        answer.url
    );
    assert_eq!(query(&redirect, "code"), None, "{}", answer.url);
    Ok(())
}

#[test]
fn a_state_comes_back_exactly_as_it_was_sent() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let state = "a b+c&d=e%20f/ü?#\"<x>";
        let url = changed(&agent.pending()?.url, "state", Some(state));
        let redirect = agent.person("alice")?.log_in(&url).await?;
        assert_eq!(query(&redirect, "state").as_deref(), Some(state));
        Ok(())
    })
}

#[test]
fn a_loopback_redirect_may_use_any_port() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        // RFC 8252 §7.3: registered with 33418, used with what was free.
        let other = "http://127.0.0.1:51234/callback";
        let url = changed(&agent.pending()?.url, "redirect_uri", Some(other));
        let mut person = agent.person("alice")?;
        person.browser = person.browser.clone().stopping_at(other);
        let redirect = person.log_in(&url).await?;
        assert!(redirect.as_str().starts_with(other), "{redirect}");
        assert!(query(&redirect, "code").is_some(), "{redirect}");
        Ok(())
    })
}

fn idp(deployment: &Deployment) -> Result<&IdpHandle> {
    deployment
        .idp
        .as_ref()
        .context("no development identity provider")
}

#[test]
fn an_id_token_that_is_not_right_logs_nobody_in() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let faults = [
            Fault::WrongNonce,
            Fault::WrongIssuer,
            Fault::WrongAudience,
            Fault::ExpiredIdToken,
            Fault::BadSignature,
        ];
        for fault in faults {
            idp(deployment)?.inject("carol", fault.clone());
            let pending = agent.pending()?;
            let redirect = agent.person("carol")?.log_in(&pending.url).await;
            idp(deployment)?.heal("carol");
            let redirect = redirect.with_context(|| format!("{fault:?}"))?;
            let error =
                query(&redirect, "error").with_context(|| format!("{fault:?}: {redirect}"))?;
            let expected = ["server_error", "temporarily_unavailable", "access_denied"];
            assert!(expected.contains(&error.as_str()), "{fault:?} gave {error}");
            assert_eq!(query(&redirect, "code"), None, "{fault:?}");
            assert_eq!(query(&redirect, "state"), Some(pending.state), "{fault:?}");
            assert_eq!(
                query(&redirect, "iss"),
                Some(deployment.issuer()),
                "{fault:?}"
            );
        }
        assert_eq!(agent.audit("login.failed").await?.len(), 5);
        agent.log_in("carol").await.context("after the faults")?;
        Ok(())
    })
}

#[test]
fn while_the_identity_provider_is_broken_the_person_can_wait_and_try_again() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let person = agent.person("bob")?;
        let pending = agent.pending()?;
        let login = person
            .login_page(&person.consent_page(&pending.url).await?)
            .await?;
        idp(deployment)?.inject("bob", Fault::BrokenTokenEndpoint);
        let landing = person.browser.submit(&person.credentials(&login)?).await;
        idp(deployment)?.heal("bob");
        let page = landing?.page()?;
        assert_eq!(page.answer.status.as_u16(), 503, "{}", page.describe());
        let again = page.links();
        let again = again.first().with_context(|| page.describe())?;
        let redirect = person.log_in(again).await?;
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn an_impatient_reload_while_the_identity_provider_is_slow_gives_one_code() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let person = agent.person("grace")?;
        let pending = agent.pending()?;
        let consent = person.consent_page(&pending.url).await?;
        let login = person.login_page(&consent).await?;
        let answer = person
            .browser
            .submit_hop(&person.credentials(&login)?)
            .await?;
        let callback = answer.location().with_context(|| answer.describe())?;

        let slow = Fault::SlowTokenEndpoint(Duration::from_millis(700));
        idp(deployment)?.inject("grace", slow);
        let (one, two) = tokio::join!(
            person.browser.open(&callback),
            person.browser.open(&callback)
        );
        idp(deployment)?.heal("grace");
        let redirects = [one?, two?].map(|landing| landing.stopped().ok());
        let codes: Vec<_> = redirects
            .iter()
            .flatten()
            .filter_map(|redirect| query(redirect, "code"))
            .collect();
        let first = codes.first().context("no tab got the code")?;
        assert!(codes.iter().all(|code| code == first), "two codes");
        let rows = agent.audit("code.issued").await?;
        assert_eq!(rows.len(), 1, "{rows:?}");
        let form = code_grant(&pending, first);
        agent.token(&form).await?.success()?;
        Ok(())
    })
}

#[test]
fn who_has_no_nextcloud_account_gets_in_but_no_nextcloud_token() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        // Nobody is mapped to a Nextcloud account by a guess, such as the e-mail address.
        idp(deployment)?.inject("ivan", Fault::NoUsername);
        let tokens = agent.log_in("ivan").await;
        idp(deployment)?.heal("ivan");
        let answer = agent.exchange(&tokens?.access_token).await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_request"));
        // The next login, with the claim, brings the account.
        let tokens = agent.log_in("ivan").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        Ok(())
    })
}

#[test]
fn an_answer_that_claims_to_come_from_another_provider_is_not_used() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let forged = Fault::IssParameter("https://another-issuer.example".to_owned());
        for fault in [forged, Fault::NoIssParameter] {
            idp(deployment)?.inject("dave", fault.clone());
            let pending = agent.pending()?;
            let person = agent.person("dave")?;
            let login = person
                .login_page(&person.consent_page(&pending.url).await?)
                .await?;
            let landing = person.browser.submit(&person.credentials(&login)?).await?;
            idp(deployment)?.heal("dave");
            // A page or an error for the client are both right; a code is not.
            if let Ok(redirect) = landing.stopped() {
                assert_eq!(query(&redirect, "code"), None, "{fault:?}");
                assert!(query(&redirect, "error").is_some(), "{fault:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn an_error_of_the_identity_provider_reaches_the_client_as_one_of_ours() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        for (theirs, ours) in [
            ("access_denied", "access_denied"),
            ("temporarily_unavailable", "temporarily_unavailable"),
            ("server_error", "server_error"),
            // A mistake of ours towards the provider is no business of the client.
            ("invalid_scope", "server_error"),
        ] {
            idp(deployment)?.inject("erin", Fault::AuthorizationError(theirs));
            let pending = agent.pending()?;
            let redirect = agent.person("erin")?.log_in(&pending.url).await;
            idp(deployment)?.heal("erin");
            let redirect = redirect?;
            assert_eq!(query(&redirect, "error").as_deref(), Some(ours), "{theirs}");
            assert_eq!(
                query(&redirect, "iss"),
                Some(deployment.issuer()),
                "{theirs}"
            );
        }
        Ok(())
    })
}

#[test]
fn towards_the_identity_provider_the_broker_is_a_careful_client_itself() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let pending = agent.pending()?;
        let person = agent.person("alice")?;
        person
            .login_page(&person.consent_page(&pending.url).await?)
            .await?;
        let requests = idp(deployment)?.authorization_requests();
        assert!(!requests.is_empty());
        for request in requests {
            let get = |name: &str| {
                request
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.as_str())
            };
            assert_eq!(get("code_challenge_method"), Some("S256"));
            for name in ["state", "nonce", "code_challenge"] {
                let value = get(name).with_context(|| format!("no {name}"))?;
                assert!(value.len() >= 22, "{name} is short: {value}");
            }
            assert_ne!(
                get("state"),
                Some(pending.state.as_str()),
                "the client's state went on"
            );
            assert_eq!(get("resource"), None);
        }
        Ok(())
    })
}

#[test]
fn the_metadata_are_the_same_at_every_place_that_clients_look() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let Server { issuer, document } = &agent.server;
        assert_eq!(
            document["authorization_response_iss_parameter_supported"],
            true
        );
        assert_eq!(
            document["code_challenge_methods_supported"],
            serde_json::json!(["S256"])
        );
        let openid = format!("{issuer}/.well-known/openid-configuration");
        let openid = agent.http.get(openid).await?.success()?.json()?;
        for member in [
            "issuer",
            "token_endpoint",
            "authorization_endpoint",
            "jwks_uri",
        ] {
            assert_eq!(openid[member], document[member], "{member}");
        }
        Ok(())
    })
}
