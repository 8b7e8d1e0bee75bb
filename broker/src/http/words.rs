//! What each page of a stopped flow says: what happened, and what to do.

use axum::http::StatusCode;

use crate::authorize::Page;
use crate::clients::DocumentFault;

/// The words of a page.
pub(super) struct Words {
    /// The status it is sent with.
    pub(super) status: StatusCode,
    /// Heading.
    pub(super) title: &'static str,
    /// What happened, in one sentence.
    pub(super) happened: &'static str,
    /// What the person can do.
    pub(super) advice: &'static str,
}

/// The words for `page`.
pub(super) fn words(page: &Page) -> Words {
    let (status, title, happened, advice) = match page {
        Page::BadRequest => (
            StatusCode::BAD_REQUEST,
            "This link does not work",
            "The program that sent you here made a request that cannot be read.",
            "Start the login again from the program. If it happens again, tell its makers.",
        ),
        Page::UnknownClient => (
            StatusCode::BAD_REQUEST,
            "Unknown program",
            "The program that sent you here is not registered with this broker.",
            "Remove the connection in the program and add it again, so that it registers anew.",
        ),
        Page::BlockedClient => (
            StatusCode::FORBIDDEN,
            "This program is blocked",
            "An administrator does not allow this program to be used here.",
            "Ask your administrator if you think that this is a mistake.",
        ),
        Page::PendingClient(_) => (
            StatusCode::FORBIDDEN,
            "Waiting for an administrator",
            "This program is registered, but an administrator of this server has to approve it before it can be used.",
            "Tell him the client id below. Once he has approved it, choose Check again, and the login goes on from here. If the program no longer waits by then, start the login again from the program.",
        ),
        Page::UntrustedClient => (
            StatusCode::FORBIDDEN,
            "This program is not accepted here",
            "It identifies itself by a web address that this broker does not trust.",
            "Ask your administrator if you think that it should be trusted.",
        ),
        Page::ClientDocument(fault) => document(*fault),
        Page::RedirectUri => (
            StatusCode::BAD_REQUEST,
            "The way back does not match",
            "The program wants the answer sent to an address that it has not registered.",
            "Nothing was sent there. Remove the connection in the program and add it again.",
        ),
        Page::UnknownFlow => (
            StatusCode::NOT_FOUND,
            "Nothing to continue here",
            "There is no login in progress at this address.",
            "Go back to the program that sent you here and start the login again.",
        ),
        Page::Expired => (
            StatusCode::BAD_REQUEST,
            "That took too long",
            "This login was started a while ago and has expired.",
            "Go back to the program that sent you here and start the login again.",
        ),
        Page::OtherBrowser => (
            StatusCode::FORBIDDEN,
            "This login belongs to another browser",
            "It was started in another browser, or this browser did not keep the cookie that goes with it.",
            "Continue in the browser in which you started, or allow cookies for this site and start the login again from the program.",
        ),
        Page::Finished => (
            StatusCode::OK,
            "This login is already finished",
            "You have answered here before, and the program has been told.",
            "You can close this page and go back to the program.",
        ),
        Page::Forgery => (
            StatusCode::FORBIDDEN,
            "This form was not sent from our page",
            "Nothing has been allowed or denied.",
            "Go back to the program that sent you here and start the login again.",
        ),
        Page::Callback => (
            StatusCode::BAD_REQUEST,
            "This answer does not fit",
            "The answer that came back from the login page does not belong to a login in progress here.",
            "Go back to the program that sent you here and start the login again.",
        ),
        Page::UpstreamUnavailable { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The login page cannot be reached",
            "The identity provider that knows you does not answer at the moment.",
            "Nothing is lost: wait a moment and try again.",
        ),
        Page::LoginAgain { .. } => (
            StatusCode::BAD_REQUEST,
            "Please log in once more",
            "The answer of the login page was used already or is too old.",
            "Nothing is lost: try again.",
        ),
        Page::ServerError => (
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

/// Status, heading, what happened, what to do.
type Texts = (StatusCode, &'static str, &'static str, &'static str);

/// The words for a client whose id is a URL, when the document there cannot be used.
fn document(fault: DocumentFault) -> Texts {
    match fault {
        DocumentFault::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The program cannot be checked now",
            "It identifies itself by a web address, and what is published there cannot be fetched at the moment.",
            "Wait a moment, then reload this page.",
        ),
        DocumentFault::Absent => (
            StatusCode::BAD_REQUEST,
            "The program cannot be checked",
            "It identifies itself by a web address, and nothing about it is published there.",
            "Tell the makers of the program: nothing you do here can help.",
        ),
        DocumentFault::Invalid => (
            StatusCode::BAD_REQUEST,
            "The program cannot be checked",
            "It identifies itself by a web address, and what is published there breaks the rules.",
            "Tell the makers of the program; the log of this broker says which rule.",
        ),
        DocumentFault::AuthMethod => (
            StatusCode::BAD_REQUEST,
            "The program wants to prove itself in another way",
            "Programs that identify themselves by a web address must be public clients here (token_endpoint_auth_method \"none\"), and this one is not.",
            "Ask your administrator to register the program by hand.",
        ),
    }
}
