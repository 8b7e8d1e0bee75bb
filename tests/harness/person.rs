//! A person who goes through the pages between an authorization URL and the redirect back.

use anyhow::{Context as _, Result, bail};
use url::Url;

use crate::browser::{Browser, Form, Landing, Page};
use crate::client::REDIRECT_URI;

/// No login has more pages than this.
const MAX_PAGES: usize = 8;

/// A page that the person acted on, for the story.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where the page was.
    pub url: Url,
    /// Its words.
    pub text: String,
    /// What the person did.
    pub action: &'static str,
}

/// Someone with a name, a password and a browser.
#[derive(Clone, Debug)]
pub struct Person {
    /// The browser.
    pub browser: Browser,
    name: String,
    password: String,
}

impl Person {
    /// A person whose browser stops at the client's redirect URI.
    #[must_use]
    pub fn new(browser: Browser, name: &str, password: &str) -> Self {
        let browser = browser.stopping_at(REDIRECT_URI);
        Self {
            browser,
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Opens the URL, agrees to everything, logs in, and returns the redirect to the client.
    ///
    /// # Errors
    /// When a page comes that offers no way on.
    pub async fn log_in(&self, url: &Url) -> Result<Url> {
        Ok(self.log_in_step_by_step(url).await?.0)
    }

    /// The same, with what happened on the way.
    ///
    /// # Errors
    /// When a page comes that offers no way on.
    pub async fn log_in_step_by_step(&self, url: &Url) -> Result<(Url, Vec<Step>)> {
        let mut landing = self.browser.open(url).await?;
        let mut steps = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = match landing {
                Landing::Stopped(redirect) => return Ok((redirect, steps)),
                Landing::Page(page) => page,
            };
            let (form, action) = self.answer(&page)?;
            steps.push(Step {
                url: page.url().clone(),
                text: page.text(),
                action,
            });
            landing = self.browser.submit(&form).await?;
        }
        bail!(
            "the login does not end; the last page was {:?}",
            steps.last().map(|s| &s.text)
        )
    }

    /// Opens an authorization URL and returns the consent page.
    ///
    /// # Errors
    /// When no page with the consent buttons comes.
    pub async fn consent_page(&self, url: &Url) -> Result<Page> {
        let page = self.browser.open(url).await?.page()?;
        page.form()?
            .press("decision", "allow")
            .context("this is no consent page")?;
        Ok(page)
    }

    /// Opens a link to an account page, signs in where that is asked, and returns the page it leads to.
    ///
    /// # Errors
    /// When the pages do not end, or lead to a client.
    pub async fn visit(&self, url: &Url) -> Result<Page> {
        let mut page = self.browser.open(url).await?.page()?;
        for _ in 0..MAX_PAGES {
            let form = if page.password_form().is_some() {
                self.credentials(&page)?
            } else if let Ok(sign_in) = page.form_with("to") {
                sign_in
            } else {
                return Ok(page);
            };
            page = self.browser.submit(&form).await?.page()?;
        }
        bail!("the sign-in does not end: {}", page.describe())
    }

    /// Presses a button of the page that asks for background access, and returns the next page.
    ///
    /// # Errors
    /// When the page does not ask.
    pub async fn decide(&self, page: &Page, button: &str) -> Result<Page> {
        let form = page.form()?.press("decision", button)?;
        self.browser.submit(&form).await?.page()
    }

    /// Agrees on the consent page, and returns the login page of the identity provider.
    ///
    /// # Errors
    /// When none comes.
    pub async fn login_page(&self, consent: &Page) -> Result<Page> {
        let form = consent.form()?.press("decision", "allow")?;
        let page = self.browser.submit(&form).await?.page()?;
        page.password_form()
            .with_context(|| format!("no login form: {}", page.describe()))?;
        Ok(page)
    }

    /// The login form of a page, filled in.
    ///
    /// # Errors
    /// When the page has none.
    pub fn credentials(&self, page: &Page) -> Result<Form> {
        let form = page.password_form().context("the page has no login form")?;
        form.fill_credentials(&self.name, &self.password)
    }

    fn answer(&self, page: &Page) -> Result<(Form, &'static str)> {
        if page.password_form().is_some() {
            return Ok((self.credentials(page)?, "logs in"));
        }
        let form = page.form().context("the login stopped")?;
        if form.has_button("decision", "allow") {
            return Ok((form.press("decision", "allow")?, "agrees"));
        }
        Ok((form, "continues"))
    }
}
