//! The provider's three pages.

use axum::response::Html;

use super::User;

/// Who can log in here.
pub(super) fn welcome(users: &[User]) -> Html<String> {
    let names: Vec<_> = users.iter().map(|user| escape(&user.name)).collect();
    page(
        "Development identity provider",
        &format!("<p>Accounts here: {}.</p>", names.join(", ")),
    )
}

/// The login form; `complaint` tells why it is shown again.
pub(super) fn login(request: &str, name: &str, complaint: Option<&str>) -> Html<String> {
    let complaint = complaint.map_or_else(String::new, |text| {
        format!(r#"<p role="alert">{}</p>"#, escape(text))
    });
    page(
        "Log in",
        &format!(
            r#"{complaint}
<form method="post" action="/login">
<input type="hidden" name="request" value="{}">
<p><label>Name <input name="username" value="{}" autocomplete="username"></label></p>
<p><label>Password <input type="password" name="password" autocomplete="current-password"></label></p>
<p><button name="decision" value="login">Log in</button>
<button name="decision" value="cancel">Cancel</button></p>
</form>"#,
            escape(request),
            escape(name)
        ),
    )
}

/// A dead end that a person can read.
pub(super) fn problem(text: &str) -> Html<String> {
    page("This cannot go on", &format!("<p>{}</p>", escape(text)))
}

fn page(title: &str, body: &str) -> Html<String> {
    let title = escape(title);
    Html(format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>
{body}
</body></html>"#
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
