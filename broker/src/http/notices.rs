//! What the account pages say instead of what was asked: what happened, and what to do.

use axum::http::StatusCode;

use super::words::Words;
use crate::provision::Notice;

/// The words for `notice`.
pub(super) fn words(notice: Notice) -> Words {
    let (status, title, happened, advice) = match notice {
        Notice::SignInLost => (
            StatusCode::BAD_REQUEST,
            "Please sign in once more",
            "The answer of the login page belongs to no sign-in of this browser, or is too old.",
            "Allow cookies for this site, then sign in again.",
        ),
        Notice::SignInFailed => (
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "The login was not completed, or its answer could not be verified.",
            "Try again. If it happens again, give your administrator the request number below.",
        ),
        Notice::UpstreamUnavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The login page cannot be reached",
            "The identity provider that knows you does not answer at the moment.",
            "Nothing is lost: wait a moment and try again.",
        ),
        Notice::Forgery => (
            StatusCode::FORBIDDEN,
            "This form was not sent from our page",
            "Nothing has been changed. You may have been signed out meanwhile.",
            "Go to your account page and try again there.",
        ),
        Notice::OtherUser => (
            StatusCode::FORBIDDEN,
            "This link was made for somebody else",
            "You are signed in as another user than the one it was made for. Nothing was stored.",
            "Did somebody send it to you? Then close this page. What you want to allow for yourself, \
             you allow on your account page.",
        ),
        Notice::NotOffered => (
            StatusCode::NOT_FOUND,
            "Background access is not offered here",
            "The link names no place where background jobs may act for users, or several could be meant.",
            "Ask your administrator.",
        ),
        Notice::Scope => (
            StatusCode::BAD_REQUEST,
            "This link asks for something unknown",
            "It names permissions that there are not.",
            "Ask whoever made the link, or start from your account page.",
        ),
        Notice::NoAccount => (
            StatusCode::FORBIDDEN,
            "You have no account there",
            "The identity provider did not say which Nextcloud account is yours.",
            "Ask your administrator.",
        ),
        Notice::ServerError => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong here",
            "The broker could not do its part.",
            "Try again in a moment. If it happens again, give your administrator the request number below.",
        ),
    };
    Words {
        status,
        title,
        happened,
        advice,
    }
}
