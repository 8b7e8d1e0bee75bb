//! The provider by itself: it must be as strict as a real one, or logins prove little.

use anyhow::{Context as _, Result};
use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

use super::{Fault, IdpHandle, IdpOptions, User, token::TOKEN_EXCHANGE};
use crate::browser::Browser;
use crate::client::s256;
use crate::http::{Answer, Http, query};
use crate::{jwt, ports};

const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-0";

async fn start() -> Result<IdpHandle> {
    IdpHandle::start(IdpOptions {
        port: ports::free()?,
        users: User::defaults(),
        client_id: "client".to_owned(),
        client_secret: Some("secret".to_owned()),
        offline_client: None,
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        exchange_audiences: vec!["nextcloud".to_owned()],
    })
    .await
}

fn authorization_url(idp: &IdpHandle, scope: &str) -> Result<Url> {
    let challenge = s256(VERIFIER);
    let parameters = [
        ("response_type", "code"),
        ("client_id", "client"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", scope),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    Ok(Url::parse_with_params(
        &format!("{}/authorize", idp.issuer()),
        parameters,
    )?)
}

async fn log_in(idp: &IdpHandle, browser: &Browser, scope: &str) -> Result<Url> {
    let page = browser
        .open(&authorization_url(idp, scope)?)
        .await?
        .page()?;
    let form = page
        .form()?
        .fill_credentials("alice", "alice-in-wonderland")?;
    browser.submit(&form).await?.stopped()
}

fn token_request(idp: &IdpHandle, http: &Http, form: &[(&str, &str)]) -> RequestBuilder {
    let request = http.client().post(format!("{}/token", idp.issuer()));
    request.basic_auth("client", Some("secret")).form(form)
}

async fn redeem(idp: &IdpHandle, code: &str, verifier: &str) -> Result<Answer> {
    let http = Http::default();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", verifier),
    ];
    http.send(token_request(idp, &http, &form)).await
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str> {
    body[name].as_str().with_context(|| format!("no {name}"))
}

#[tokio::test]
async fn a_login_gives_a_code_that_works_once_and_an_id_token_about_the_user() -> Result<()> {
    let idp = start().await?;
    let browser = Browser::default().stopping_at(REDIRECT_URI);
    let redirect = log_in(&idp, &browser, "openid profile").await?;
    assert_eq!(query(&redirect, "state").as_deref(), Some("the-state"));
    assert_eq!(query(&redirect, "iss").as_deref(), Some(idp.issuer()));
    let code = query(&redirect, "code").context("no code")?;

    let body = redeem(&idp, &code, VERIFIER).await?.success()?.json()?;
    let claims = jwt::claims(text(&body, "id_token")?)?;
    assert_eq!(claims["iss"], idp.issuer());
    assert_eq!(claims["aud"], "client");
    assert_eq!(claims["nonce"], "the-nonce");
    assert_eq!(claims["preferred_username"], "alice");
    assert_ne!(claims["sub"], "alice");
    assert_eq!(body["refresh_token"], Value::Null);
    assert_eq!(redeem(&idp, &code, VERIFIER).await?.status.as_u16(), 400);

    // The browser is remembered: no form the second time.
    let again = browser
        .open(&authorization_url(&idp, "openid")?)
        .await?
        .stopped()?;
    let code = query(&again, "code").context("no code")?;
    assert_eq!(
        redeem(&idp, &code, "another-verifier")
            .await?
            .status
            .as_u16(),
        400
    );
    assert_eq!(idp.codes_issued("alice"), 2);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again() -> Result<()> {
    let idp = start().await?;
    let browser = Browser::default().stopping_at(REDIRECT_URI);
    let page = browser
        .open(&authorization_url(&idp, "openid")?)
        .await?
        .page()?;
    let form = page.form()?.fill_credentials("alice", "bob-the-builder")?;
    let page = browser.submit(&form).await?.page()?;
    assert!(page.password_form().is_some(), "{}", page.describe());
    assert_eq!(idp.codes_issued("alice"), 0);
    Ok(())
}

#[tokio::test]
async fn an_unregistered_redirect_uri_or_a_missing_secret_is_refused() -> Result<()> {
    let idp = start().await?;
    let mut url = authorization_url(&idp, "openid")?;
    url.query_pairs_mut().clear().extend_pairs([
        ("client_id", "client"),
        ("redirect_uri", "http://127.0.0.1:9/other"),
    ]);
    assert_eq!(Browser::default().hop(&url).await?.status.as_u16(), 400);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "client"),
        ("code", "x"),
    ];
    let answer = Http::default()
        .post_form(format!("{}/token", idp.issuer()), &form)
        .await?;
    assert_eq!(answer.status.as_u16(), 401);
    Ok(())
}

#[tokio::test]
async fn refresh_tokens_rotate_and_access_tokens_can_be_exchanged_until_they_are_revoked()
-> Result<()> {
    let idp = start().await?;
    let browser = Browser::default().stopping_at(REDIRECT_URI);
    let redirect = log_in(&idp, &browser, "openid offline_access").await?;
    let code = query(&redirect, "code").context("no code")?;
    let body = redeem(&idp, &code, VERIFIER).await?.json()?;
    let (access_token, spent) = (text(&body, "access_token")?, text(&body, "refresh_token")?);

    let http = Http::default();
    let form = [("grant_type", "refresh_token"), ("refresh_token", spent)];
    let fresh = http
        .send(token_request(&idp, &http, &form))
        .await?
        .success()?
        .json()?;
    assert_ne!(text(&fresh, "refresh_token")?, spent);
    assert_eq!(
        http.send(token_request(&idp, &http, &form))
            .await?
            .status
            .as_u16(),
        400
    );

    let exchange = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", access_token),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", "nextcloud"),
    ];
    let exchanged = http
        .send(token_request(&idp, &http, &exchange))
        .await?
        .success()?
        .json()?;
    assert_eq!(
        jwt::claims(text(&exchanged, "access_token")?)?["aud"],
        "nextcloud"
    );
    let elsewhere = exchange.map(|(name, value)| match name {
        "audience" => (name, "elsewhere"),
        _ => (name, value),
    });
    let answer = http.send(token_request(&idp, &http, &elsewhere)).await?;
    assert_eq!(answer.json()?["error"], "invalid_target");

    let userinfo = || http.client().get(format!("{}/userinfo", idp.issuer()));
    http.send(userinfo().bearer_auth(access_token))
        .await?
        .success()?;
    let revoke = http.client().post(format!("{}/revoke", idp.issuer()));
    let revoke = revoke
        .basic_auth("client", Some("secret"))
        .form(&[("token", access_token)]);
    http.send(revoke).await?.success()?;
    assert_eq!(
        http.send(userinfo().bearer_auth(access_token))
            .await?
            .status
            .as_u16(),
        401
    );
    assert_eq!(
        http.send(token_request(&idp, &http, &exchange))
            .await?
            .status
            .as_u16(),
        400
    );
    Ok(())
}

#[tokio::test]
async fn a_fault_concerns_its_user_until_it_is_healed() -> Result<()> {
    let idp = start().await?;
    idp.inject("alice", Fault::WrongNonce);
    let browser = Browser::default().stopping_at(REDIRECT_URI);
    for (scope, nonce) in [("openid", "another-nonce"), ("openid", "the-nonce")] {
        let fresh = Browser::default().stopping_at(REDIRECT_URI);
        let redirect = log_in(&idp, &fresh, scope).await?;
        let code = query(&redirect, "code").context("no code")?;
        let body = redeem(&idp, &code, VERIFIER).await?.json()?;
        assert_eq!(jwt::claims(text(&body, "id_token")?)?["nonce"], nonce);
        idp.heal("alice");
    }
    idp.inject("bob", Fault::AuthorizationError("server_error"));
    let redirect = log_in(&idp, &browser, "openid").await?;
    assert_eq!(query(&redirect, "error"), None);
    Ok(())
}
