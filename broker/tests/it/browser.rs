//! A browser with a cookie jar, and a broker whose users log in at the fake [`Idp`].

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::Body;
use http::{Request, StatusCode, header};
use url::Url;

use crate::harness::{AGENT, Answer, Broker, CHALLENGE, Code, ISSUER, Plan, REDIRECT_URI, form};
use crate::idp::Idp;

/// A broker and its identity provider.
pub(crate) async fn broker_and_idp() -> (Broker, Idp) {
    planned(|_| {}).await
}

/// The same with a change of plan.
pub(crate) async fn planned(change: impl FnOnce(&mut Plan)) -> (Broker, Idp) {
    let idp = Idp::start().await;
    let broker = Broker::planned(|plan| {
        plan.upstream.issuer = idp.issuer().into();
        change(plan);
    })
    .await;
    (broker, idp)
}

/// The parameters of a good authorization request.
const GOOD: [(&str, &str); 7] = [
    ("response_type", "code"),
    ("client_id", AGENT),
    ("redirect_uri", REDIRECT_URI),
    ("scope", "notes.read"),
    ("state", "the client's state"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// The path of a good authorization request with some parameters changed; an empty one is left out.
pub(crate) fn authorize_path(changes: &[(&str, &str)]) -> String {
    let kept = GOOD
        .iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let added = changes.iter().filter(|(_, value)| !value.is_empty());
    let parameters: Vec<_> = kept.chain(added).copied().collect();
    let query = serde_urlencoded::to_string(&parameters).unwrap();
    format!("/oauth/authorize?{query}")
}

/// The parameters that a redirect brings to the client.
pub(crate) fn parameters(answer: &Answer) -> BTreeMap<String, String> {
    let url = Url::parse(answer.location()).unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let parameters: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(parameters.len(), pairs.len(), "repeated: {url}");
    parameters
}

impl Answer {
    /// Where it redirects to.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location").unwrap()
    }

    /// The code that it brings to [`AGENT`].
    #[track_caller]
    pub(crate) fn code(&self) -> Code {
        let parameters = parameters(self);
        let code = parameters.get("code");
        Code {
            code: code.unwrap_or_else(|| panic!("{parameters:?}")).clone(),
            client_id: AGENT.to_owned(),
        }
    }

    /// Asserts that it is a page with this status and heading, and no redirect.
    #[track_caller]
    pub(crate) fn assert_page(&self, status: u16, heading: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("location"), None);
        assert_eq!(
            self.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(
            self.body.contains(&format!("<h1>{heading}</h1>")),
            "{}",
            self.body
        );
    }

    /// Asserts that it brings the client this error, complete (RFC 6749 §4.1.2.1, RFC 9207).
    #[track_caller]
    pub(crate) fn assert_error_at_client(&self, error: &str) {
        assert!(
            self.location().starts_with(REDIRECT_URI),
            "{}",
            self.location()
        );
        let parameters = parameters(self);
        assert_eq!(parameters["error"], error, "{parameters:?}");
        assert!(parameters["error_description"].len() > 10);
        assert_eq!(parameters["state"], "the client's state");
        assert_eq!(parameters["iss"], ISSUER);
        assert!(!parameters.contains_key("code"));
    }
}

/// A browser.
pub(crate) struct Browser<'a> {
    broker: &'a Broker,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(broker: &'a Broker) -> Self {
        Self {
            broker,
            cookies: Mutex::default(),
        }
    }

    /// The same browser, talking to another broker process.
    pub(crate) fn at(self, broker: &'a Broker) -> Self {
        Self { broker, ..self }
    }

    /// The cookies it holds.
    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap().clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let cookies: Vec<_> = self
            .cookies()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            let value = cookies.join("; ").parse().unwrap();
            request.headers_mut().insert(header::COOKIE, value);
        }
        // What is sent at once carries the cookies of that moment, however fast the first answer is.
        tokio::task::yield_now().await;
        let answer = self.broker.send(request).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Begins a flow; returns its id.
    pub(crate) async fn begin(&self) -> String {
        self.begin_with(&[]).await
    }

    /// The same with some parameters changed.
    pub(crate) async fn begin_with(&self, changes: &[(&str, &str)]) -> String {
        let answer = self.get(&authorize_path(changes)).await;
        let flow = answer.location().strip_prefix("/oauth/consent?flow=");
        flow.unwrap_or_else(|| panic!("{}", answer.location()))
            .to_owned()
    }

    /// The consent page.
    pub(crate) async fn page(&self, flow: &str) -> Answer {
        self.get(&format!("/oauth/consent?flow={flow}")).await
    }

    /// The form token of the consent page.
    pub(crate) async fn csrf(&self, flow: &str) -> String {
        let page = self.page(flow).await;
        let (_, rest) = page
            .body
            .split_once("name=\"csrf\" value=\"")
            .unwrap_or_else(|| panic!("{}", page.body));
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Presses a button of the consent page.
    pub(crate) async fn press(&self, flow: &str, button: &str) -> Answer {
        let csrf = self.csrf(flow).await;
        self.submit(flow, &csrf, button).await
    }

    /// Sends the consent page's form.
    pub(crate) async fn submit(&self, flow: &str, csrf: &str, button: &str) -> Answer {
        let fields = [("flow", flow), ("csrf", csrf), ("decision", button)];
        self.send(form("/oauth/consent", None, &fields)).await
    }

    /// A login from the first request to the answer for the client.
    pub(crate) async fn log_in(&self, idp: &Idp, changes: &[(&str, &str)]) -> Answer {
        let flow = self.begin_with(changes).await;
        let allowed = self.press(&flow, "allow").await;
        let callback = idp.log_in(allowed.location());
        self.get(&callback).await
    }
}
