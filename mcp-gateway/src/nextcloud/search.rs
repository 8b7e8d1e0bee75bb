//! Searching files by name, type or favourite (RFC 5323).

use http::HeaderValue;

use super::{
    client::Client,
    dav::method,
    error::Error,
    path::{FilePath, Route},
    request::Request,
    webdav::{Entry, PROPERTIES, entry},
    xml::Document,
};

/// What a search looks for; several terms must all be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchTerm {
    /// The name is like this, `%` standing for anything.
    NameLike(String),
    /// The media type is like this, `%` standing for anything.
    TypeLike(String),
    /// The user marked it as a favourite.
    Favorite,
}

/// A search below a folder.
#[derive(Debug, Clone)]
pub struct Search {
    /// The folder; everything below it is searched.
    pub scope: FilePath,
    /// What to look for; nothing means everything.
    pub terms: Vec<SearchTerm>,
    /// The most entries that come back.
    pub limit: usize,
}

impl Client {
    /// Searches by name, type or favourite (RFC 5323).
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn search(&self, search: &Search) -> Result<Vec<Entry>, Error> {
        let user = self.user_id().await?;
        let request = Request::new(method(b"SEARCH")?, Route::dav([]).collection()).body(
            HeaderValue::from_static("text/xml"),
            search_body(&user, search),
        );
        let responses = self.multistatus(&request).await?;
        Ok(responses
            .iter()
            .filter_map(|response| entry(response, &user))
            .collect())
    }
}

fn search_body(user: &str, search: &Search) -> Vec<u8> {
    // The scope is taken literally: encoded as an href it would find nothing.
    let mut scope = format!("/files/{user}");
    for segment in search.scope.segments() {
        scope.push('/');
        scope.push_str(segment);
    }
    let mut document = Document::new("d:searchrequest");
    document.element("d:basicsearch", |basic| {
        basic.element("d:select", |select| {
            select.element("d:prop", |prop| {
                for name in PROPERTIES {
                    prop.empty(name);
                }
            });
        });
        basic.element("d:from", |from| {
            from.element("d:scope", |place| {
                place.leaf("d:href", &scope).leaf("d:depth", "infinity");
            });
        });
        basic.element("d:where", |filter| match search.terms.as_slice() {
            [] => term(filter, &SearchTerm::NameLike("%".to_owned())),
            [only] => term(filter, only),
            several => {
                filter.element("d:and", |all| several.iter().for_each(|one| term(all, one)));
            }
        });
        basic.element("d:limit", |limit| {
            limit.leaf("d:nresults", &search.limit.to_string());
        });
    });
    document.finish("d:searchrequest")
}

fn term(document: &mut Document, term: &SearchTerm) {
    let (operator, property, literal) = match term {
        SearchTerm::NameLike(pattern) => ("d:like", "d:displayname", pattern.as_str()),
        SearchTerm::TypeLike(pattern) => ("d:like", "d:getcontenttype", pattern.as_str()),
        SearchTerm::Favorite => ("d:eq", "oc:favorite", "1"),
    };
    document.element(operator, |comparison| {
        comparison.element("d:prop", |prop| {
            prop.empty(property);
        });
        comparison.leaf("d:literal", literal);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_scope_is_escaped_for_xml_but_not_for_urls() {
        let search = Search {
            scope: "Work/Q1 & Q2".parse().expect("path"),
            terms: vec![
                SearchTerm::NameLike("%<a>%".to_owned()),
                SearchTerm::Favorite,
            ],
            limit: 5,
        };
        let xml = String::from_utf8(search_body("alice", &search)).expect("utf-8");
        assert!(
            xml.contains("<d:href>/files/alice/Work/Q1 &amp; Q2</d:href>"),
            "{xml}"
        );
        assert!(xml.contains("<d:literal>%&lt;a&gt;%</d:literal>"), "{xml}");
        assert!(xml.contains("<d:where><d:and><d:like>"), "{xml}");
        assert!(xml.contains("<d:nresults>5</d:nresults>"), "{xml}");
    }
}
