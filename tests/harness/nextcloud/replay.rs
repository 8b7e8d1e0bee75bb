//! Fixtures of recorded exchanges, and the machinery that replays them against a server.
//!
//! A fixture is a JSON file with an ordered list of steps: one request and what the answer must
//! look like. What differs from run to run (ids, entity tags, times) is given by its type, or
//! remembered from one answer for a later request. Nothing here knows the stand-in: the same files
//! can be played against a real Nextcloud by whoever supplies the credentials and the actions.
//!
//! ```json
//! {"name": "create", "as": "alice",
//!  "request": {"method": "POST", "target": "/index.php/apps/notes/api/v1/notes",
//!              "json": {"title": "Lab note"}},
//!  "expect": {"status": 200, "json": {"id": "<int>", "title": "Lab note", "...": true}},
//!  "remember": {"note": "json:/id", "tag": "header:etag"}}
//! ```
//!
//! | Where | Meaning |
//! |---|---|
//! | `as` | whose credentials, in the caller's words; absent for none |
//! | `before` | something the caller does first, in the caller's words |
//! | `${name}` | what was remembered under that name |
//! | `request.headers` | `OCS-APIRequest: true` is added; `null` leaves a header out |
//! | `expect.json` | `"<int>"`, `"<string>"`, `"<bool>"`, `"<any>"`; `["<each>", shape]`; objects have exactly these members unless `"..."` is one |
//! | `expect.xml` | exactly these element names occur (`d`, `s`, `oc`, `nc`, `cal`, `card`, `cs`) |
//! | `expect.xml_text` | the text of the first element with that name |
//! | `remember` | `json:/pointer`, `header:name` or `xml:name` of the answer, by a name of one's own |

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use self::shape::matches_shape;
use super::xml::{self, Element};

/// The prefixes that fixtures use for namespaces.
const PREFIXES: [(&str, &str); 7] = [
    ("d", xml::DAV),
    ("s", xml::SABRE),
    ("oc", xml::OWNCLOUD),
    ("nc", xml::NEXTCLOUD),
    ("cal", "urn:ietf:params:xml:ns:caldav"),
    ("card", "urn:ietf:params:xml:ns:carddav"),
    ("cs", "http://calendarserver.org/ns/"),
];

/// What the caller of a replay supplies.
pub trait Stage: Send + Sync {
    /// The `Authorization` header for what a step calls its credentials.
    ///
    /// # Errors
    /// When there is no such credential.
    fn authorization(&self, who: &str) -> Result<String>;

    /// Does what a step wants done first, such as locking a file.
    ///
    /// # Errors
    /// When the action is not known.
    fn act(&self, action: &str) -> Result<()>;
}

/// A fixture file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub about: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One exchange.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it shows.
    pub name: String,
    #[serde(default, rename = "as")]
    who: Option<String>,
    #[serde(default)]
    before: Option<String>,
    request: StepRequest,
    expect: Expectation,
    #[serde(default)]
    remember: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepRequest {
    method: String,
    target: String,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    status: u16,
    #[serde(default)]
    content_type: Option<String>,
    /// Header → its value, or `<any>`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    no_headers: Vec<String>,
    /// How many cookies are set.
    #[serde(default)]
    cookies: Option<usize>,
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    xml: Option<BTreeSet<String>>,
    #[serde(default)]
    xml_text: BTreeMap<String, String>,
    /// The exact body.
    #[serde(default)]
    text: Option<String>,
}

impl Scenario {
    /// Reads a fixture file.
    ///
    /// # Errors
    /// When it cannot be read or is no scenario.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Plays every step against the server at `base` and gives their number.
    ///
    /// # Errors
    /// The first step that does not match, with what was wrong.
    pub async fn play(&self, base: &str, stage: &dyn Stage) -> Result<usize> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the harness shares no code with the programs it tests"
        )]
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let mut player = Player {
            http,
            base,
            stage,
            remembered: BTreeMap::new(),
        };
        player.remembered.insert("base".to_owned(), base.to_owned());
        for step in &self.steps {
            player
                .play(step)
                .await
                .with_context(|| format!("{}: {}", self.about, step.name))?;
        }
        Ok(self.steps.len())
    }
}

struct Player<'a> {
    http: reqwest::Client,
    base: &'a str,
    stage: &'a dyn Stage,
    remembered: BTreeMap<String, String>,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Player<'_> {
    async fn play(&mut self, step: &Step) -> Result<()> {
        if let Some(action) = &step.before {
            self.stage.act(action)?;
        }
        let answer = self.send(step).await?;
        self.compare(&step.expect, &answer)
            .with_context(|| format!("answered {} {}", answer.status, answer.body))?;
        for (name, source) in &step.remember {
            let value = pick(&answer, source)?;
            self.remembered.insert(name.clone(), value);
        }
        Ok(())
    }

    async fn send(&self, step: &Step) -> Result<Answer> {
        let asked = &step.request;
        let url = format!("{}{}", self.base, self.filled(&asked.target));
        let mut request = self
            .http
            .request(Method::from_bytes(asked.method.as_bytes())?, url);
        if let Some(who) = &step.who {
            request = request.header("authorization", self.stage.authorization(who)?);
        }
        let mut headers = BTreeMap::from([("ocs-apirequest".to_owned(), Some("true".to_owned()))]);
        for (name, value) in &asked.headers {
            headers.insert(name.to_ascii_lowercase(), value.clone());
        }
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, self.filled(&value));
            }
        }
        if let Some(json) = &asked.json {
            request = request
                .header("content-type", "application/json")
                .body(self.filled(&json.to_string()));
        } else if let Some(body) = &asked.body {
            request = request.body(self.filled(body));
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    fn compare(&self, expected: &Expectation, answer: &Answer) -> Result<()> {
        ensure!(
            answer.status == expected.status,
            "the status is not {}",
            expected.status
        );
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if let Some(wanted) = &expected.content_type {
            let given = header("content-type");
            ensure!(
                given == Some(wanted),
                "the content type is {given:?}, not {wanted}"
            );
        }
        for (name, wanted) in &expected.headers {
            let given = header(name).with_context(|| format!("there is no header {name}"))?;
            let wanted = self.filled(wanted);
            ensure!(
                wanted == "<any>" || given == wanted,
                "{name} is {given}, not {wanted}"
            );
        }
        for name in &expected.no_headers {
            ensure!(header(name).is_none(), "there is a header {name}");
        }
        if let Some(wanted) = expected.cookies {
            let given = answer.headers.get_all("set-cookie").iter().count();
            ensure!(given == wanted, "{given} cookies are set, not {wanted}");
        }
        if let Some(wanted) = &expected.text {
            ensure!(
                answer.body == self.filled(wanted),
                "the body is not {wanted:?}"
            );
        }
        if let Some(shape) = &expected.json {
            let shape = self.filled_json(shape);
            let given: Value = serde_json::from_str(&answer.body).context("the body is no JSON")?;
            matches_shape(&shape, &given, "")?;
        }
        if expected.xml.is_some() || !expected.xml_text.is_empty() {
            let root = xml::parse(&answer.body).map_err(anyhow::Error::msg)?;
            self.compare_xml(expected, &root)?;
        }
        Ok(())
    }

    fn compare_xml(&self, expected: &Expectation, root: &Element) -> Result<()> {
        let mut names = BTreeSet::new();
        let mut texts = BTreeMap::new();
        root.walk(&mut |element| {
            let name = prefixed(element);
            texts
                .entry(name.clone())
                .or_insert_with(|| element.text.clone());
            names.insert(name);
        });
        if let Some(wanted) = &expected.xml {
            let missing: Vec<_> = wanted.difference(&names).collect();
            let extra: Vec<_> = names.difference(wanted).collect();
            ensure!(
                missing.is_empty() && extra.is_empty(),
                "elements are missing: {missing:?}, or too many: {extra:?}"
            );
        }
        for (name, wanted) in &expected.xml_text {
            let given = texts
                .get(name)
                .with_context(|| format!("there is no {name}"))?;
            let wanted = self.filled(wanted);
            ensure!(*given == wanted, "{name} is {given:?}, not {wanted:?}");
        }
        Ok(())
    }

    /// Puts in what was remembered.
    fn filled(&self, text: &str) -> String {
        self.remembered
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("${{{name}}}"), value)
            })
    }

    fn filled_json(&self, shape: &Value) -> Value {
        match shape {
            Value::String(text) => {
                let filled = self.filled(text);
                // An id that was remembered as text is a number in JSON.
                match filled.parse::<u64>() {
                    Ok(number) if filled != *text => Value::from(number),
                    Ok(_) | Err(_) => Value::String(filled),
                }
            }
            Value::Array(list) => list.iter().map(|one| self.filled_json(one)).collect(),
            Value::Object(object) => Value::Object(
                object
                    .iter()
                    .map(|(key, value)| (key.clone(), self.filled_json(value)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => shape.clone(),
        }
    }
}

/// Takes a value out of an answer: `json:/pointer`, `header:name` without quotes, or `xml:name`,
/// the first text of an element with that name: those that are not there are listed without one.
fn pick(answer: &Answer, source: &str) -> Result<String> {
    let (kind, place) = source.split_once(':').context("a source is kind:place")?;
    match kind {
        "json" => {
            let body: Value = serde_json::from_str(&answer.body)?;
            let value = body.pointer(place).context("nothing to remember there")?;
            Ok(value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned))
        }
        "header" => {
            let value = answer
                .headers
                .get(place)
                .context("no such header to remember")?;
            Ok(value.to_str()?.trim_matches('"').to_owned())
        }
        "xml" => {
            let root = xml::parse(&answer.body).map_err(anyhow::Error::msg)?;
            let mut found = None;
            root.walk(&mut |element| {
                if found.is_none() && prefixed(element) == place && !element.text.is_empty() {
                    found = Some(element.text.clone());
                }
            });
            found.context("no such element to remember")
        }
        other => bail!("nothing can be remembered from {other}"),
    }
}

fn prefixed(element: &Element) -> String {
    let prefix = PREFIXES
        .iter()
        .find_map(|(prefix, ns)| (*ns == element.name.ns).then_some(*prefix));
    match prefix {
        Some(prefix) => format!("{prefix}:{}", element.name.local),
        None if element.name.ns.is_empty() => element.name.local.clone(),
        None => element.name.clark(),
    }
}
