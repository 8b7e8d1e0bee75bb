//! The HTML pages that a client meets when it goes where it should not.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// The page for a route that no installed app has.
pub(super) fn not_found() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Page not found",
        "The page could not be found on the server or you may not be allowed to view it.",
    )
}

/// The page that asks for a second factor; large, like the real one, and no JSON.
pub(super) fn challenge() -> Response {
    let filler = "<p>Enhanced security is enabled for your account.</p>\n".repeat(300);
    page(StatusCode::OK, "Two-factor authentication", &filler)
}

/// A page with a title and a text.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" data-locale=\"en\">\n\t<head>\n\t\t<meta \
         charset=\"utf-8\">\n\t\t<title>{title} - Nextcloud</title>\n\t</head>\n\t<body \
         id=\"body-login\">\n\t\t<h2>{title}</h2>\n{body}\n\t</body>\n</html>\n"
    );
    (status, [("content-type", "text/html; charset=UTF-8")], html).into_response()
}
