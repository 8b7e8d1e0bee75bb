//! A person's web browser, as far as login pages need one.
//!
//! It keeps cookies ([`cookies`]), follows redirects, reads the forms of a page ([`page`]) and
//! submits them with the headers that browsers send. Like a browser it enforces `form-action` of a
//! page's Content-Security-Policy along the whole redirect chain of a submission, and sends
//! `Origin: null` from pages with `Referrer-Policy: no-referrer`: a page that would break in Chrome
//! breaks here. It runs no scripts.

pub mod cookies;
mod html;
pub mod page;

use std::sync::{Arc, Mutex};

use ::http::{StatusCode, header};
use anyhow::{Context as _, Result, bail};
use reqwest::RequestBuilder;
use url::Url;

use self::cookies::Jar;
pub use self::page::{Form, Page};
use crate::http::{Answer, Http};

/// As many hops as browsers allow.
const MAX_REDIRECTS: usize = 20;

/// A browser. Clones are tabs of it: they share the cookies.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    http: Http,
    jar: Arc<Mutex<Jar>>,
    stops: Vec<String>,
}

/// Where following the redirects ended.
#[derive(Clone, Debug)]
pub enum Landing {
    /// A page that is shown.
    Page(Box<Page>),
    /// A redirect to a URL that the browser was told to stop at; it was not fetched.
    Stopped(Url),
}

impl Landing {
    /// The page.
    ///
    /// # Errors
    /// When the browser was sent to one of its stops instead.
    pub fn page(self) -> Result<Page> {
        match self {
            Self::Page(page) => Ok(*page),
            Self::Stopped(url) => bail!("expected a page, but was redirected to {url}"),
        }
    }

    /// The stop that was reached.
    ///
    /// # Errors
    /// When a page is shown instead.
    pub fn stopped(self) -> Result<Url> {
        match self {
            Self::Stopped(url) => Ok(url),
            Self::Page(page) => bail!("expected a redirect, but was shown {}", page.describe()),
        }
    }
}

impl Browser {
    /// A new browser without cookies, which writes what it sees into the transcript of `http`.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self {
            http,
            ..Self::default()
        }
    }

    /// Stops, from now on, at redirects to URLs that start like this.
    #[must_use]
    pub fn stopping_at(mut self, prefix: &str) -> Self {
        self.stops.push(prefix.to_owned());
        self
    }

    /// The cookie jar that the tabs share.
    #[must_use]
    pub fn cookies(&self) -> &Mutex<Jar> {
        &self.jar
    }

    /// Types a URL and follows the redirects.
    ///
    /// # Errors
    /// When no answer comes or the redirects do not end.
    pub async fn open(&self, url: &Url) -> Result<Landing> {
        let answer = self.hop(url).await?;
        self.follow(answer, None).await
    }

    /// Asks for one URL with this browser's cookies and does not follow a redirect.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn hop(&self, url: &Url) -> Result<Answer> {
        let request = self
            .http
            .client()
            .get(url.clone())
            .header("sec-fetch-mode", "navigate");
        self.send(url, request).await
    }

    /// Submits a form and follows the redirects.
    ///
    /// # Errors
    /// When no answer comes, the redirects do not end, or the page's policy forbids the target.
    pub async fn submit(&self, form: &Form) -> Result<Landing> {
        let answer = self.submit_hop(form).await?;
        self.follow(answer, Some(form)).await
    }

    /// Submits a form and does not follow a redirect.
    ///
    /// # Errors
    /// When no answer comes or the page's policy forbids the target.
    pub async fn submit_hop(&self, form: &Form) -> Result<Answer> {
        form.may_go_to(form.action())?;
        if !form.is_post() {
            let mut url = form.action().clone();
            url.query_pairs_mut().clear().extend_pairs(form.entries());
            return self.hop(&url).await;
        }
        let request = self
            .http
            .client()
            .post(form.action().clone())
            .header(header::ORIGIN, form.origin())
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", form.site())
            .form(&form.entries());
        self.send(form.action(), request).await
    }

    async fn follow(&self, mut answer: Answer, form: Option<&Form>) -> Result<Landing> {
        for _ in 0..MAX_REDIRECTS {
            let Some(next) = answer.location() else {
                return Ok(Landing::Page(Box::new(Page::new(answer))));
            };
            // All our redirects answer a form or a link; 307 and 308 would repeat the form's body.
            let repeats = [
                StatusCode::TEMPORARY_REDIRECT,
                StatusCode::PERMANENT_REDIRECT,
            ];
            if form.is_some() && repeats.contains(&answer.status) {
                bail!(
                    "a form was redirected with {}: its content would be sent on",
                    answer.status
                );
            }
            if let Some(form) = form {
                form.may_go_to(&next)?;
            }
            if self
                .stops
                .iter()
                .any(|stop| next.as_str().starts_with(stop))
            {
                return Ok(Landing::Stopped(next));
            }
            answer = self.hop(&next).await?;
        }
        bail!(
            "more than {MAX_REDIRECTS} redirects, the last to {}",
            answer.url
        )
    }

    async fn send(&self, url: &Url, mut request: RequestBuilder) -> Result<Answer> {
        if let Some(cookies) = self.jar.lock().unwrap().header_for(url) {
            request = request.header(header::COOKIE, cookies);
        }
        let answer = self
            .http
            .send(request.header(header::ACCEPT, "text/html,*/*;q=0.8"))
            .await
            .with_context(|| format!("the browser asked for {url}"))?;
        let mut jar = self.jar.lock().unwrap();
        for value in answer.headers.get_all(header::SET_COOKIE) {
            if let Ok(value) = value.to_str() {
                jar.set(url, value);
            }
        }
        Ok(answer)
    }
}
