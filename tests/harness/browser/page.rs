//! A page as a browser has it: its forms, their fields and buttons, and the page's policies.
//!
//! Reading the HTML is left to `html`.

use anyhow::{Context as _, Result, bail};
use url::Url;

use super::html::{Tag, tags, words};
use crate::http::Answer;

/// A page that the browser shows.
#[derive(Clone, Debug)]
pub struct Page {
    /// The answer that brought it.
    pub answer: Answer,
    forms: Vec<Form>,
}

/// A form, filled in step by step and then submitted.
#[derive(Clone, Debug)]
pub struct Form {
    action: Url,
    post: bool,
    fields: Vec<Field>,
    buttons: Vec<(String, String)>,
    pressed: Option<(String, String)>,
    page: Url,
    policy: Option<String>,
    no_referrer: bool,
}

/// An input of a form.
#[derive(Clone, Debug)]
struct Field {
    kind: String,
    name: String,
    value: String,
}

impl Page {
    /// Reads the forms of an answer.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        let forms = forms(&answer);
        Self { answer, forms }
    }

    /// Where the page came from, after all redirects.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.answer.url
    }

    /// The page's HTML.
    #[must_use]
    pub fn html(&self) -> &str {
        &self.answer.body
    }

    /// The words that the page shows, white space folded.
    #[must_use]
    pub fn text(&self) -> String {
        words(self.html())
    }

    /// Where the links of the page lead.
    #[must_use]
    pub fn links(&self) -> Vec<Url> {
        let anchors = tags(self.html()).into_iter().filter(|tag| tag.name == "a");
        anchors
            .filter_map(|tag| self.url().join(&tag.attribute("href")?).ok())
            .collect()
    }

    /// The first form.
    ///
    /// # Errors
    /// When the page has none.
    pub fn form(&self) -> Result<Form> {
        self.forms
            .first()
            .cloned()
            .with_context(|| format!("no form: {}", self.describe()))
    }

    /// The first form that has a field of this name.
    ///
    /// # Errors
    /// When no form has.
    pub fn form_with(&self, field: &str) -> Result<Form> {
        self.forms
            .iter()
            .find(|form| form.field(field).is_some())
            .cloned()
            .with_context(|| format!("no form with a field {field}: {}", self.describe()))
    }

    /// The first form that asks for a password.
    #[must_use]
    pub fn password_form(&self) -> Option<Form> {
        self.forms.iter().find(|form| form.has_password()).cloned()
    }

    /// Status, URL and words of the page, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let text: String = self.text().chars().take(400).collect();
        format!("{} {} \"{text}\"", self.answer.status, self.answer.url)
    }
}

impl Form {
    /// Where it is sent.
    #[must_use]
    pub fn action(&self) -> &Url {
        &self.action
    }

    /// Whether it is sent by POST.
    #[must_use]
    pub fn is_post(&self) -> bool {
        self.post
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.as_str())
    }

    fn has_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == "password")
    }

    /// Types into a field.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn fill(mut self, name: &str, value: &str) -> Result<Self> {
        let field = self.fields.iter_mut().find(|field| field.name == name);
        value.clone_into(&mut field.with_context(|| format!("no field {name}"))?.value);
        Ok(self)
    }

    /// Types a name and a password into whatever fields ask for them.
    ///
    /// # Errors
    /// When there is no such pair of fields.
    pub fn fill_credentials(mut self, name: &str, password: &str) -> Result<Self> {
        let visible = |field: &&mut Field| matches!(field.kind.as_str(), "text" | "email" | "");
        let user = self
            .fields
            .iter_mut()
            .find(visible)
            .context("no field for a name")?;
        name.clone_into(&mut user.value);
        let secret = self
            .fields
            .iter_mut()
            .find(|field| field.kind == "password");
        password.clone_into(&mut secret.context("no field for a password")?.value);
        Ok(self)
    }

    /// Presses the button with this name and value.
    ///
    /// # Errors
    /// When there is no such button.
    pub fn press(mut self, name: &str, value: &str) -> Result<Self> {
        let wanted = (name.to_owned(), value.to_owned());
        if !self.buttons.contains(&wanted) {
            bail!("no button {name}={value}, only {:?}", self.buttons);
        }
        self.pressed = Some(wanted);
        Ok(self)
    }

    /// Whether there is a button with this name and value.
    #[must_use]
    pub fn has_button(&self, name: &str, value: &str) -> bool {
        self.buttons.iter().any(|(a, b)| a == name && b == value)
    }

    /// What is sent: the fields, and the button that was pressed (the first one by Enter).
    #[must_use]
    pub fn entries(&self) -> Vec<(String, String)> {
        let fields = self
            .fields
            .iter()
            .map(|field| (field.name.clone(), field.value.clone()));
        let button = self
            .pressed
            .clone()
            .or_else(|| self.buttons.first().cloned());
        fields
            .chain(button)
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }

    /// The `Origin` header of the submission (Fetch §3.2).
    #[must_use]
    pub fn origin(&self) -> String {
        if self.no_referrer {
            return "null".to_owned();
        }
        self.page.origin().ascii_serialization()
    }

    /// The `Sec-Fetch-Site` header of the submission.
    #[must_use]
    pub fn site(&self) -> &'static str {
        if self.page.origin() == self.action.origin() {
            "same-origin"
        } else if self.page.host() == self.action.host() {
            "same-site"
        } else {
            "cross-site"
        }
    }

    /// Whether the page's `form-action` (CSP Level 3 §6.4.1) lets the submission go there, be it
    /// the form's action or a redirect that answers it.
    ///
    /// # Errors
    /// When a browser would block it.
    pub fn may_go_to(&self, target: &Url) -> Result<()> {
        let Some(sources) = &self.policy else {
            return Ok(());
        };
        let allowed = sources.split_whitespace().any(|source| match source {
            "'self'" => target.origin() == self.page.origin(),
            "*" => matches!(target.scheme(), "http" | "https"),
            source => match source.strip_suffix(':') {
                Some(scheme) => target.scheme() == scheme,
                None => Url::parse(source).is_ok_and(|url| url.origin() == target.origin()),
            },
        });
        if !allowed {
            bail!("the page's policy \"form-action {sources}\" blocks {target}");
        }
        Ok(())
    }
}

fn forms(answer: &Answer) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut current: Option<Form> = None;
    for tag in tags(&answer.body) {
        match tag.name.as_str() {
            "form" => {
                let action = tag.attribute("action").unwrap_or_default();
                current = Some(Form {
                    action: answer
                        .url
                        .join(&action)
                        .unwrap_or_else(|_| answer.url.clone()),
                    post: tag
                        .attribute("method")
                        .is_some_and(|m| m.eq_ignore_ascii_case("post")),
                    fields: Vec::new(),
                    buttons: Vec::new(),
                    pressed: None,
                    page: answer.url.clone(),
                    policy: form_action(answer),
                    no_referrer: answer.header("referrer-policy") == Some("no-referrer"),
                });
            }
            "/form" => forms.extend(current.take()),
            "input" | "button" | "textarea" => {
                if let Some(form) = &mut current {
                    add_control(form, &tag);
                }
            }
            _ => {}
        }
    }
    forms.extend(current);
    forms
}

fn add_control(form: &mut Form, tag: &Tag) {
    let name = tag.attribute("name").unwrap_or_default();
    let value = tag.attribute("value").unwrap_or_default();
    let default = if tag.name == "button" {
        "submit"
    } else {
        "text"
    };
    let kind = tag
        .attribute("type")
        .unwrap_or_else(|| default.to_owned())
        .to_ascii_lowercase();
    match kind.as_str() {
        "submit" => form.buttons.push((name, value)),
        "button" | "reset" | "image" => {}
        "checkbox" | "radio" if tag.attribute("checked").is_none() => {}
        _ => form.fields.push(Field { kind, name, value }),
    }
}

fn form_action(answer: &Answer) -> Option<String> {
    answer
        .header("content-security-policy")?
        .split(';')
        .find_map(|directive| directive.trim().strip_prefix("form-action"))
        .map(|sources| sources.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn page(html: &str, headers: &[(&'static str, &'static str)]) -> Page {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        Page::new(Answer {
            url: Url::parse("http://127.0.0.1:4280/oauth/consent?flow=1").unwrap(),
            status: StatusCode::OK,
            headers: map,
            body: html.to_owned(),
        })
    }

    #[test]
    fn a_form_is_read_filled_and_sent_with_the_pressed_button() {
        let page = page(
            r#"<!-- <form><input name="no"></form> --><form method=post action='/go'>
            <input type="hidden" name="csrf" value="a&amp;b&#x27;c">
            <input name=user><input type=password name=secret value="">
            <input type=checkbox name=keep><button name="decision" value="allow">Yes</button>
            <button name="decision" value="deny">No</button></form>"#,
            &[],
        );
        let form = page.form().unwrap();
        assert_eq!(form.action().as_str(), "http://127.0.0.1:4280/go");
        assert!(form.is_post());
        let form = form
            .fill_credentials("alice", "p")
            .unwrap()
            .press("decision", "deny")
            .unwrap();
        let expected = [
            ("csrf", "a&b'c"),
            ("user", "alice"),
            ("secret", "p"),
            ("decision", "deny"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form.entries(), expected);
    }

    #[test]
    fn an_unknown_button_or_field_is_an_error() {
        let form = page("<form><button name=a value=b></form>", &[])
            .form()
            .unwrap();
        assert!(form.clone().press("a", "c").is_err());
        assert!(form.fill("x", "y").is_err());
    }

    #[test]
    fn form_action_is_enforced_as_browsers_do() {
        let page = page(
            "<form method=post></form>",
            &[(
                "content-security-policy",
                "default-src 'none'; form-action 'self' http://127.0.0.1:4283",
            )],
        );
        let form = page.form().unwrap();
        assert!(
            form.may_go_to(&Url::parse("http://127.0.0.1:4280/x").unwrap())
                .is_ok()
        );
        assert!(
            form.may_go_to(&Url::parse("http://127.0.0.1:4283/x").unwrap())
                .is_ok()
        );
        assert!(
            form.may_go_to(&Url::parse("http://127.0.0.1:9/callback").unwrap())
                .is_err()
        );
    }

    #[test]
    fn a_page_without_referrer_submits_with_a_null_origin() {
        let quiet = page("<form></form>", &[("referrer-policy", "no-referrer")])
            .form()
            .unwrap();
        assert_eq!(quiet.origin(), "null");
        assert_eq!(
            page("<form></form>", &[]).form().unwrap().origin(),
            "http://127.0.0.1:4280"
        );
    }

    #[test]
    fn words_are_read_without_tags() {
        let page = page(
            "<head><title>t</title><style>p { }</style></head><h1>A&nbsp;b</h1>\n<p>c &lt;d&gt;</p>",
            &[],
        );
        assert_eq!(page.text(), "A b c <d>");
    }
}
