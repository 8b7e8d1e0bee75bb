//! What Nextcloud holds of a user: complete lists, straight from it and not through the gateway.

use anyhow::{Context as _, Result};
use harness::deployment::Deployment;
use harness::http::Http;
use harness::nextcloud::NextcloudStandIn;
use reqwest::Method;
use serde_json::Value;

/// A look at everything of one user, with the user's password.
pub(crate) struct Office<'a> {
    pub(crate) nextcloud: &'a NextcloudStandIn,
    name: String,
    password: String,
    http: Http,
}

impl<'a> Office<'a> {
    pub(crate) fn of(deployment: &'a Deployment, name: &str) -> Result<Self> {
        let user = deployment.users().iter().find(|user| user.name == name);
        Ok(Self {
            nextcloud: deployment.nextcloud.as_ref().context("no stand-in")?,
            name: name.to_owned(),
            password: user.context("no such user")?.password.clone(),
            http: Http::default(),
        })
    }

    /// Sends a request; the body of its successful answer.
    pub(crate) async fn ask(&self, method: &str, target: &str, body: &str) -> Result<String> {
        let url = format!("{}{target}", self.nextcloud.url());
        let kind = if body.starts_with('{') {
            "application/json"
        } else {
            "application/xml"
        };
        let request = self
            .http
            .client()
            .request(Method::from_bytes(method.as_bytes())?, url)
            .basic_auth(&self.name, Some(&self.password))
            .header("ocs-apirequest", "true")
            .header("accept", "application/json")
            .header("content-type", kind)
            .header("depth", "1")
            .body(body.to_owned());
        Ok(self.http.send(request).await?.success()?.body)
    }

    /// What an API answers; of an OCS answer, the data.
    pub(crate) async fn json(&self, method: &str, target: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer: Value = serde_json::from_str(&self.ask(method, target, &body).await?)?;
        Ok(match answer.pointer("/ocs/data") {
            Some(data) => data.clone(),
            None => answer,
        })
    }

    /// The decoded names of the members of a DAV collection, sorted.
    pub(crate) async fn members(&self, collection: &str) -> Result<Vec<String>> {
        let body = self.ask("PROPFIND", collection, "").await?;
        let hrefs = body.split("<d:href>").skip(1);
        let hrefs = hrefs.filter_map(|rest| rest.split("</d:href>").next());
        // What is encoded in an address is a matter of taste.
        let decoded = |text: &str| {
            let text = text.trim_end_matches('/').replace("&amp;", "&");
            percent_encoding::percent_decode_str(&text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let own = format!("{}/", decoded(collection));
        let mut names: Vec<String> = hrefs
            .filter_map(|href| decoded(href).strip_prefix(&own).map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The contents of all objects in a DAV collection (`.ics`, `.vcf`), in the order of their text.
    pub(crate) async fn objects(&self, collection: &str) -> Result<Vec<String>> {
        let mut objects = Vec::new();
        for name in self.members(collection).await? {
            let name =
                percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
            objects.push(self.ask("GET", &format!("{collection}{name}"), "").await?);
        }
        objects.sort();
        Ok(objects)
    }

    /// The paths of all files and folders but those that every account starts with.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = self.nextcloud.paths(&self.name);
        paths.retain(|path| {
            !["Readme.md", "Documents/", "Documents/Example.md"].contains(&path.as_str())
        });
        for path in &mut paths {
            // The id of the note that they belong to.
            if let Some((before, after)) = path.split_once(".attachments.") {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                *path = format!("{before}.attachments.<id>{rest}");
            }
        }
        paths.sort();
        paths
    }

    /// The text of a file.
    pub(crate) fn file(&self, path: &str) -> Result<String> {
        let bytes = self.nextcloud.read_file(&self.name, path);
        Ok(String::from_utf8(
            bytes.with_context(|| format!("no {path}"))?.to_vec(),
        )?)
    }

    /// Title, category and text of all notes, sorted.
    pub(crate) fn notes(&self) -> Vec<[String; 3]> {
        let notes = self.nextcloud.notes(&self.name);
        let mut all: Vec<[String; 3]> = notes
            .iter()
            .map(|note| {
                ["title", "category", "content"]
                    .map(|member| note[member].as_str().unwrap_or("?").to_owned())
            })
            .collect();
        all.sort();
        all
    }
}

/// The values of a property in an iCalendar or vCard text, unfolded, with its parameters.
pub(crate) fn lines(object: &str, property: &str) -> Vec<String> {
    let unfolded = object.replace("\r\n ", "").replace("\n ", "");
    let is_it = |line: &&str| {
        line.strip_prefix(property)
            .is_some_and(|rest| rest.starts_with([':', ';']))
    };
    unfolded.lines().filter(is_it).map(str::to_owned).collect()
}
