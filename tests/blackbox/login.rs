//! Logins as people really do them: two tabs, the back button, impatience, a change of mind.

use anyhow::{Context as _, Result};
use harness::browser::{Browser, Landing};
use harness::client::REDIRECT_URI;
use harness::http::{Http, query};
use harness::jwt;

use crate::support::{Agent, OTHER_RESOURCE, run, shared};

#[test]
fn two_tabs_at_once_both_get_in() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let (first, second) = (agent.pending()?, agent.pending()?);
        let first_consent = person.consent_page(&first.url).await?;
        let second_consent = person.consent_page(&second.url).await?;
        let first_login = person.login_page(&first_consent).await?;
        let second_login = person.login_page(&second_consent).await?;

        let form = person.credentials(&second_login)?;
        let second_redirect = person.browser.submit(&form).await?.stopped()?;
        let form = person.credentials(&first_login)?;
        let first_redirect = person.browser.submit(&form).await?.stopped()?;

        agent.redeem(&first, &first_redirect).await?;
        agent.redeem(&second, &second_redirect).await?;
        Ok(())
    })
}

#[test]
fn a_second_login_in_the_same_browser_needs_no_password_but_consent_again() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        agent
            .redeem(&pending, &person.log_in(&pending.url).await?)
            .await?;

        let again = agent.pending()?;
        let consent = person.consent_page(&again.url).await?;
        let form = consent.form()?.press("decision", "allow")?;
        let redirect = person.browser.submit(&form).await?.stopped()?;
        agent.redeem(&again, &redirect).await?;
        Ok(())
    })
}

#[test]
fn the_consent_page_names_the_client_the_resource_and_where_it_leads() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let page = agent
            .person("alice")?
            .consent_page(&agent.pending()?.url)
            .await?;
        let text = page.text();
        for words in [
            "Black-box agent",
            "Nextcloud tools",
            "127.0.0.1",
            "Read your notes",
        ] {
            assert!(
                text.contains(words),
                "no \"{words}\" on the consent page: {text}"
            );
        }
        let policy = page
            .answer
            .header("content-security-policy")
            .context("no policy")?;
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.answer.header("cache-control"), Some("no-store"));
        Ok(())
    })
}

#[test]
fn reloading_the_consent_page_and_going_back_to_it_does_no_harm() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let first_view = person.consent_page(&pending.url).await?;
        let reloaded = person.browser.open(first_view.url()).await?.page()?;
        assert!(
            reloaded.form()?.has_button("decision", "allow"),
            "{}",
            reloaded.describe()
        );

        // On to the login, back to the page as it was first shown, and forward again from there.
        person.login_page(&reloaded).await?;
        let login = person.login_page(&first_view).await?;
        let redirect = person
            .browser
            .submit(&person.credentials(&login)?)
            .await?
            .stopped()?;
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn a_double_click_on_allow_does_no_harm() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let consent = person.consent_page(&pending.url).await?;
        let form = consent.form()?.press("decision", "allow")?;
        // A browser that submits twice shows the answer to the second.
        person.browser.submit_hop(&form).await?;
        let second = person.browser.submit_hop(&form).await?;
        let to_idp = second.location().with_context(|| second.describe())?;
        let login = person.browser.open(&to_idp).await?.page()?;
        let redirect = person
            .browser
            .submit(&person.credentials(&login)?)
            .await?
            .stopped()?;
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn reloading_the_callback_gives_no_second_code_and_spoils_the_first_one_not() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let login = person
            .login_page(&person.consent_page(&pending.url).await?)
            .await?;
        let answer = person
            .browser
            .submit_hop(&person.credentials(&login)?)
            .await?;
        let callback = answer.location().context("no redirect to the broker")?;
        let redirect = person.browser.open(&callback).await?.stopped()?;

        let again = person.browser.open(&callback).await?;
        match again {
            Landing::Page(page) => {
                assert!(!page.answer.status.is_server_error(), "{}", page.describe());
                assert!(page.text().contains("finished"), "{}", page.describe());
            }
            Landing::Stopped(url) => {
                let (first, second) = (query(&redirect, "code"), query(&url, "code"));
                assert!(second.is_none() || second == first, "a second code");
            }
        }
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn an_authorization_url_that_was_fetched_beforehand_without_cookies_still_works() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let pending = agent.pending()?;
        // Some clients look at the URL before they open the browser.
        for _ in 0..2 {
            let answer = Http::default().get(pending.url.as_str()).await?;
            assert!(!answer.status.is_server_error(), "{}", answer.describe());
        }
        let redirect = agent.person("alice")?.log_in(&pending.url).await?;
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn who_denies_goes_back_to_the_client_and_never_to_the_identity_provider() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let consent = person.consent_page(&pending.url).await?;
        let form = consent.form()?.press("decision", "deny")?;
        // One hop: straight back.
        let answer = person.browser.submit_hop(&form).await?;
        let redirect = answer.location().with_context(|| answer.describe())?;
        assert!(redirect.as_str().starts_with(REDIRECT_URI), "{redirect}");
        assert_eq!(query(&redirect, "error").as_deref(), Some("access_denied"));
        assert_eq!(query(&redirect, "state"), Some(pending.state));
        assert_eq!(query(&redirect, "iss"), Some(deployment.issuer()));
        assert_eq!(agent.audit("authorization.denied").await?.len(), 1);
        Ok(())
    })
}

#[test]
fn a_login_that_is_cancelled_at_the_identity_provider_is_told_to_the_client() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let login = person
            .login_page(&person.consent_page(&pending.url).await?)
            .await?;
        let form = login.form()?.press("decision", "cancel")?;
        let redirect = person.browser.submit(&form).await?.stopped()?;
        assert_eq!(query(&redirect, "error").as_deref(), Some("access_denied"));
        assert_eq!(query(&redirect, "state"), Some(pending.state));
        assert_eq!(query(&redirect, "iss"), Some(deployment.issuer()));
        assert_eq!(query(&redirect, "code"), None);
        Ok(())
    })
}

#[test]
fn a_wrong_password_is_the_identity_providers_business_and_can_be_corrected() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let login = person
            .login_page(&person.consent_page(&pending.url).await?)
            .await?;
        let form = login.form()?.fill_credentials("alice", "wrong")?;
        let login = person.browser.submit(&form).await?.page()?;
        assert!(login.text().contains("wrong"), "{}", login.describe());
        let redirect = person
            .browser
            .submit(&person.credentials(&login)?)
            .await?
            .stopped()?;
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn a_callback_in_another_browser_gives_no_code_and_the_right_browser_can_still_go_on() -> Result<()>
{
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let login = person
            .login_page(&person.consent_page(&pending.url).await?)
            .await?;
        let answer = person
            .browser
            .submit_hop(&person.credentials(&login)?)
            .await?;
        let callback = answer.location().context("no redirect to the broker")?;

        let thief = Browser::new(agent.http.clone()).stopping_at(REDIRECT_URI);
        let page = thief.open(&callback).await?.page()?;
        assert!(page.answer.status.is_client_error(), "{}", page.describe());

        let redirect = person.browser.open(&callback).await?.stopped()?;
        agent.redeem(&pending, &redirect).await?;
        Ok(())
    })
}

#[test]
fn a_consent_form_sent_from_another_browser_or_with_a_forged_token_is_refused() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        let consent = person.consent_page(&agent.pending()?.url).await?;
        let form = consent.form()?.press("decision", "allow")?;

        let stranger = Browser::new(agent.http.clone());
        let answer = stranger.submit_hop(&form).await?;
        assert!(answer.status.is_client_error(), "{}", answer.describe());
        let forged = form.fill("csrf", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")?;
        let answer = person.browser.submit_hop(&forged).await?;
        assert!(answer.status.is_client_error(), "{}", answer.describe());
        Ok(())
    })
}

#[test]
fn without_a_resource_the_default_one_is_meant() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in_for("alice", None, None).await?;
        let claims = jwt::claims(&tokens.access_token)?;
        assert_eq!(claims["aud"], agent.resource.id.as_str(), "{claims}");
        agent.poster(&tokens.access_token).tools().await?;
        Ok(())
    })
}

#[test]
fn a_host_with_and_without_a_slash_is_one_resource() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let slash = format!("{OTHER_RESOURCE}/");
        let tokens = agent.log_in_for("alice", Some(&slash), None).await?;
        let claims = jwt::claims(&tokens.access_token)?;
        assert_eq!(claims["aud"], OTHER_RESOURCE, "{claims}");
        assert_eq!(tokens.scope, "tools.use");
        Ok(())
    })
}

#[test]
fn the_same_person_has_the_same_subject_in_every_client_and_another_than_anyone_else() -> Result<()>
{
    run(async {
        let deployment = shared().await?;
        let (one, two) = (Agent::new(deployment).await?, Agent::new(deployment).await?);
        let subject = async |agent: &Agent<'_>, name: &str| -> Result<String> {
            let claims = jwt::claims(&agent.log_in(name).await?.access_token)?;
            Ok(claims["sub"].as_str().context("no sub")?.to_owned())
        };
        let alice = subject(&one, "alice").await?;
        assert_eq!(subject(&two, "alice").await?, alice);
        assert_ne!(subject(&two, "bob").await?, alice);
        assert_ne!(alice, "alice", "the subject gives the login name away");
        Ok(())
    })
}
