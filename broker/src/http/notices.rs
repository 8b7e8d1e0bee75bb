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
        Notice::WayLost => WAY_LOST,
        Notice::DeniedThere => DENIED_THERE,
        Notice::AnswerRefused => ANSWER_REFUSED,
        Notice::OtherLogin => OTHER_LOGIN,
        Notice::NoRefreshToken => NO_REFRESH_TOKEN,
        Notice::NoKey => NO_KEY,
        Notice::NoClient => NO_CLIENT,
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

/// Status, heading, what happened, what to do: of the way to the identity provider and back.
type Texts = (StatusCode, &'static str, &'static str, &'static str);

const WAY_LOST: Texts = (
    StatusCode::BAD_REQUEST,
    "Please allow it once more",
    "The answer of the identity provider belongs to nothing that you have begun in this \
     browser, came too late, or was used already. Nothing was stored.",
    "Did you follow a link that somebody sent you? Then close this page. Otherwise start again \
     from your account page.",
);

const DENIED_THERE: Texts = (
    StatusCode::FORBIDDEN,
    "Background access is not allowed",
    "The identity provider did not confirm it. Nothing was stored.",
    "If you did not deny it there yourself, ask your administrator. You can start again from your \
     account page.",
);

const ANSWER_REFUSED: Texts = (
    StatusCode::FORBIDDEN,
    "Background access is not allowed",
    "The answer of the identity provider could not be verified. Nothing was stored.",
    "Try again. If it happens again, give your administrator the request number below.",
);

const OTHER_LOGIN: Texts = (
    StatusCode::FORBIDDEN,
    "You logged in as somebody else",
    "At the identity provider you are logged in as another user than here. Nothing was stored.",
    "Log out there, then start again from your account page.",
);

const NO_REFRESH_TOKEN: Texts = (
    StatusCode::FORBIDDEN,
    "The identity provider allows no background access",
    "It let you log in, but gave nothing that lasts while you are away (offline_access). Nothing \
     was stored.",
    "If you were asked there whether offline access is allowed, start again and agree. Otherwise \
     ask your administrator, who has to allow it there for the broker's client.",
);

const NO_KEY: Texts = (
    StatusCode::SERVICE_UNAVAILABLE,
    "Background access is not possible yet",
    "This broker has no encryption key, so it keeps nothing of yours.",
    "Ask your administrator: the configuration lacks keys.encryption.",
);

const NO_CLIENT: Texts = (
    StatusCode::SERVICE_UNAVAILABLE,
    "Background access is not possible yet",
    "This broker is not registered for it at the identity provider.",
    "Ask your administrator: the configuration lacks upstream.offline.",
);
